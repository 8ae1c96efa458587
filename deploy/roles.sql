-- The role of `erti serve` and `erti worker`: it reads and writes rows, and can neither make, change nor drop a table.
-- Run this once as the owner of the database, who goes on running `erti migrate` and `erti citizens import`; what later
-- versions add is covered. Then let database_url name this role. A test runs the service under it.
CREATE ROLE erti_serve LOGIN;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO erti_serve;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO erti_serve;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO erti_serve;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO erti_serve;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO erti_serve;
