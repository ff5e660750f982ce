// Package libraries has nothing but tests: they run other people's libraries on a
// loop and beside it, against real servers, as the table in
// docs/for-go-programmers.md says. It is a module of its own, so that what it
// requires is no requirement of the project's. In this folder:
//
//	go test ./...
//
// The servers are those of Debian: redis-server, memcached, postgresql,
// mariadb-server, vsftpd, mosquitto, nats-server, openssh-server, dnsmasq-base and
// python3-aiosmtpd. A test whose server is missing is skipped and says so.
package libraries
