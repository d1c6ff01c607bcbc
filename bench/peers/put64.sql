insert into queue (body) select repeat('x', 1024)::bytea from generate_series(1, 64);
