-- What a next version might change, for t/upgrade_of_the_extension_keeps_all.pl.

CREATE TABLE mvstore_remark (
	store regclass PRIMARY KEY,
	remark text NOT NULL
);

SELECT pg_catalog.pg_extension_config_dump('mvstore_remark', '');

INSERT INTO mvstore_remark SELECT store, 'is older' FROM mvstore_policy;

ALTER TABLE mvstore_journal ADD CHECK (attempts OPERATOR(pg_catalog.>=) 0);

CREATE FUNCTION mvstore_remark(which regclass) RETURNS text LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT remark FROM mvstore_remark WHERE store OPERATOR(pg_catalog.=) which;
END;
