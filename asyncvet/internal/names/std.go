package names

import (
	"go/types"
	"strings"
)

// blocking are the functions that hold the goroutine until something happens
// outside of it.
var blocking = map[string]map[Kind][]string{
	"time":                        {Sleep: {"Sleep"}},
	"sync":                        {Sync: {"WaitGroup.Wait", "Cond.Wait"}},
	"golang.org/x/sync/errgroup":  {Sync: {"Group.Wait"}},
	"golang.org/x/sync/semaphore": {Sync: {"Weighted.Acquire"}},
	"os/exec":                     {Process: {"Cmd.Run", "Cmd.Output", "Cmd.CombinedOutput", "Cmd.Wait"}},
	"net": {Network: {
		"Dial", "DialTimeout", "DialTCP", "Dialer.Dial", "Dialer.DialContext", "Dialer.DialTCP",
		"LookupHost", "LookupIP", "LookupAddr", "LookupCNAME", "LookupMX", "LookupNS", "LookupSRV", "LookupTXT",
		"Resolver.LookupHost", "Resolver.LookupIP", "Resolver.LookupIPAddr", "Resolver.LookupNetIP", "Resolver.LookupAddr",
		"Resolver.LookupCNAME", "Resolver.LookupMX", "Resolver.LookupNS", "Resolver.LookupSRV", "Resolver.LookupTXT",
		"Listener.Accept", "TCPListener.Accept", "TCPListener.AcceptTCP", "UnixListener.Accept", "UnixListener.AcceptUnix",
		"UDPConn.ReadFrom", "UDPConn.ReadFromUDP", "UDPConn.ReadFromUDPAddrPort", "UDPConn.ReadMsgUDP",
	}},
	"crypto/tls": {Network: {"Dial", "DialWithDialer", "Dialer.Dial", "Dialer.DialContext"}},
	"net/smtp":   {Network: {"Dial", "SendMail"}},
	"net/rpc":    {Network: {"Dial", "DialHTTP", "DialHTTPPath", "Client.Call"}},
	"net/http": {Network: {
		"Get", "Head", "Post", "PostForm", "ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS",
		"Server.ListenAndServe", "Server.ListenAndServeTLS", "Server.Serve", "Server.ServeTLS", "Server.Shutdown",
	}},
	"database/sql": {SQL: {
		"DB.Query", "DB.QueryContext", "DB.QueryRow", "DB.QueryRowContext", "DB.Exec", "DB.ExecContext",
		"DB.Ping", "DB.PingContext", "DB.Begin", "DB.BeginTx", "DB.Prepare", "DB.PrepareContext", "DB.Conn",
		"Tx.Query", "Tx.QueryContext", "Tx.QueryRow", "Tx.QueryRowContext", "Tx.Exec", "Tx.ExecContext",
		"Tx.Commit", "Tx.Rollback", "Tx.Prepare", "Tx.PrepareContext",
		"Stmt.Query", "Stmt.QueryContext", "Stmt.QueryRow", "Stmt.QueryRowContext", "Stmt.Exec", "Stmt.ExecContext",
		"Conn.QueryContext", "Conn.QueryRowContext", "Conn.ExecContext", "Conn.PingContext", "Conn.BeginTx", "Conn.PrepareContext",
	}},
	"fmt": {Stdin: {"Scan", "Scanln", "Scanf"}},
	"os": {
		Process: {"Process.Wait"},
		File: {
			"ReadFile", "WriteFile", "ReadDir", "RemoveAll", "MkdirAll", "CopyFS",
			"File.Read", "File.ReadAt", "File.Write", "File.WriteAt", "File.WriteString", "File.Sync", "File.ReadDir",
		},
	},
	"io/fs":         {File: {"ReadFile", "ReadDir", "WalkDir"}},
	"path/filepath": {File: {"Walk", "WalkDir", "Glob"}},
}

// roles says what the standard library and x/sync do with functions they are
// given. Of the packages in callers, all functions call them before they return.
var roles = map[string]map[string]Role{
	"time":                       {"AfterFunc": Thread},
	"context":                    {"AfterFunc": Thread},
	"sync":                       {"WaitGroup.Go": Thread, "Once.Do": Called, "Map.Range": Called},
	"golang.org/x/sync/errgroup": {"Group.Go": Thread, "Group.TryGo": Thread},
	"path/filepath":              {"Walk": Called, "WalkDir": Called},
	"io/fs":                      {"WalkDir": Called},
}

var callers = map[string]bool{"slices": true, "maps": true, "sort": true, "strings": true, "bytes": true}

// overStream are the functions, besides methods of readers and writers, that read
// or write what they are given.
var overStream = map[string]map[string]Wait{
	"io": {
		"Copy": Always, "CopyN": Always, "CopyBuffer": Always, "ReadAll": Always, "ReadFull": Always,
		"ReadAtLeast": Always, "WriteString": Held,
	},
	"fmt":             {"Fscan": Always, "Fscanf": Always, "Fscanln": Always, "Fprint": Held, "Fprintf": Held, "Fprintln": Held},
	"encoding/binary": {"Read": Always, "Write": Held},
	"net/http":        {"ReadRequest": Always, "ReadResponse": Always},
}

// ClientMethods are the requests of an http.Client.
var ClientMethods = []string{"Client.Do", "Client.Get", "Client.Head", "Client.Post", "Client.PostForm"}

// kinds is blocking the other way round.
var kinds = func() map[string]map[string]Kind {
	table := make(map[string]map[string]Kind)
	for path, byKind := range blocking {
		table[path] = make(map[string]Kind)
		for kind, list := range byKind {
			for _, name := range list {
				table[path][name] = kind
			}
		}
	}
	return table
}()

// Blocks returns on what a function that is not of asyncio blocks, or "".
func Blocks(fn *types.Func) Kind {
	kind, _ := entry(kinds, fn)
	return kind
}

// Runs returns what a function that is not of asyncio does with functions that it
// is given, and reports whether that is known.
func Runs(fn *types.Func) (Role, bool) {
	if role, ok := entry(roles, fn); ok {
		return role, true
	}
	if callers[Path(fn)] {
		return Called, true
	}
	return 0, false
}

// OverStream returns how a function waits that is given a stream, or something
// that reads from one or writes to it.
func OverStream(fn *types.Func) Wait {
	wait, _ := entry(overStream, fn)
	return wait
}

// Method returns how a method waits whose receiver reads from a stream or writes
// to it: a bufio.Reader, a tls.Conn, a json.Decoder.
func Method(name string) Wait {
	for _, prefix := range []string{"Read", "Decode", "Scan", "Copy", "Handshake", "Peek", "Cmd", "Quit", "Mail"} {
		if strings.HasPrefix(name, prefix) {
			return Always
		}
	}
	for _, prefix := range []string{"Write", "Flush", "Encode", "Print"} {
		if strings.HasPrefix(name, prefix) {
			return Held
		}
	}
	return Never
}

// middleware are the handlers that do not serve a loop well, and why.
var middleware = map[string]map[string]string{
	"net/http": {"TimeoutHandler": "runs the handler on a goroutine of its own"},
	"github.com/go-chi/chi/v5/middleware": {
		"Throttle": throttles, "ThrottleBacklog": throttles, "ThrottleWithOpts": throttles,
	},
	"github.com/go-chi/chi/middleware": {"Throttle": throttles, "ThrottleBacklog": throttles},
}

const throttles = "blocks the loop on a channel while too many are served"

// Middleware says what is wrong with a middleware on a loop, or "".
func Middleware(fn *types.Func) string {
	what, _ := entry(middleware, fn)
	return what
}

// GlobalRandom reports whether fn takes a number from the process's source of
// random numbers.
func GlobalRandom(fn *types.Func) bool {
	if fn == nil || Path(fn) != "math/rand" && Path(fn) != "math/rand/v2" || Receiver(fn) != "" {
		return false
	}
	results := fn.Signature().Results()
	return results.Len() == 0 || Named(results.At(0).Type()) == nil
}
