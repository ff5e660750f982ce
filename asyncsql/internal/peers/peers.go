// Package peers has nothing but tests and benchmarks: asyncsql with the drivers pgx,
// lib/pq and go-sql-driver/mysql, against PostgreSQL and MariaDB. It is a module of its
// own, so that what it requires is no requirement of the project's. In this folder:
//
//	go test ./...
//	go test -run xxx -bench . -benchtime 20000x
//
// The servers are those of Debian: postgresql and mariadb-server. A test whose server is
// missing is skipped and says so.
package peers
