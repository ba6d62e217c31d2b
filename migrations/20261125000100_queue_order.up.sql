-- Where a waiting run stands in the queue once somebody has moved it; none stands by its number, which is also the
-- scale. Real, so that there is always room before the first.
alter table runs add column place real;
