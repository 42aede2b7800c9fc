-- No row if there is a company already. The lock (see lock) makes two servers on a new registry take turns.
insert into tieline.company (id, name)
select $1, $2
where not exists (select 1 from tieline.company)
returning id
