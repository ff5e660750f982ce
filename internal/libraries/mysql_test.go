//go:build unix

package libraries

import (
	"context"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/asyncio-go/asyncio"
	"github.com/go-sql-driver/mysql"
)

// mariaServer starts MariaDB and returns its address; its user is tester.
func mariaServer(t *testing.T) string {
	install := find(t, "mariadb-install-db")
	server := find(t, "mariadbd")
	p := newPlace(t, "mysql")
	data := "--datadir=" + p.dir + "/data"
	p.run(t, install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db")
	init := p.file(t, "init.sql", "create database things;\ncreate user tester@'127.0.0.1';\ngrant all on things.* to tester@'127.0.0.1';\n")
	if err := os.Chmod(init, 0o644); err != nil {
		t.Fatal(err)
	}
	p.serve(t, server, "--no-defaults", data, "--port="+p.port, "--bind-address=127.0.0.1", "--skip-name-resolve",
		"--socket="+p.dir+"/socket", "--pid-file="+p.dir+"/pid", "--init-file="+init, "--innodb-flush-log-at-trx-commit=0")
	return p.addr()
}

func openMySQL(t *testing.T, l *asyncio.Loop, addr string) *sql.DB {
	t.Helper()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = "tester", "tcp", addr, "things"
	cfg.Logger = &mysql.NopLogger{}
	cfg.DialFunc = asyncio.NewDialer(l).DialContext
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(c)
}

func TestMySQLOnTheLoop(t *testing.T) {
	addr := mariaServer(t)
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		db := openMySQL(t, loop(ctx), addr)
		defer db.Close()
		return poolOnTheLoop(t, ctx, db, dialect{
			sleep: "do sleep(4)", shortSleep: "do sleep(0.2)", insert: "insert into items values (?, ?)",
			cutOff: mysql.ErrInvalidConn,
		})
	})
}

func TestMySQLOfASilentServerEndsWithItsContext(t *testing.T) {
	onEachDriver(t, func(t *testing.T, ctx context.Context) error {
		db := openMySQL(t, loop(ctx), silent(t))
		defer db.Close()
		err := endsInTime(t, ctx, "Ping", func(ctx context.Context) error { return db.PingContext(ctx) })
		if !isTimeout(err) {
			t.Error(err)
		}
		return asyncio.Sleep(ctx, time.Millisecond)
	})
}
