delete from queue where id in (select id from queue order by id for update skip locked limit 64) returning id, body;
