// Package blocking has the rules for what stops a loop: a function that waits
// without suspending its task.
package blocking

import (
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"

	"github.com/asyncio-go/asyncio/asyncvet/internal/functions"
	"github.com/asyncio-go/asyncio/asyncvet/internal/names"
)

// Analyzer is the rule that is on by default.
var Analyzer = rule("blocking", `report what blocks the goroutine of a loop

A loop runs its tasks, handlers and callbacks on one goroutine. What blocks that
goroutine stops all of them, not only the task that calls it:

	asyncio.Go(ctx, func(ctx context.Context) error {
		time.Sleep(time.Second) // nothing else runs for a second
		return nil
	})

Write what suspends the task instead: asyncio.Sleep, OpenConnection, an
http.Client with asynchttp's Transport, CreateSubprocessExec; or send the call to
a thread with asyncio.ToThread. Functions that block inside are found through the
functions that call them, in other packages too.`,
	names.Sleep, names.Network, names.Process, names.SQL, names.Sync, names.Stdin, names.Nested, names.Outside, names.Done)

// Channel is the rule about channels, which must be asked for: whether a channel
// operation waits for long depends on who is on the other side.
var Channel = rule("channel", `report channel operations on a loop

A send, a receive, a range or a select blocks the loop's goroutine while nobody
is on the other side. If that is a task of the same loop, for ever:

	asyncio.Go(ctx, func(ctx context.Context) error {
		fmt.Println(<-results) // no task runs until there is a result
		return nil
	})

Between tasks, use asyncio.Queue or Future. For what comes from goroutines, use
asyncio.WrapChan, WrapFuture or a ThreadQueue.`,
	names.Channel)

// File is the rule about files, which must be asked for: mostly a file is in
// memory, and reading it takes less time than sending that to a thread.
var File = rule("file", `report file operations on a loop

A file may be on a slow disk or on a network:

	data, err := os.ReadFile(name) // no task runs meanwhile

Send long ones to a thread with asyncio.ToThread.`,
	names.File)

func rule(name, doc string, kinds ...names.Kind) *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:     name,
		Doc:      doc,
		Requires: []*analysis.Analyzer{functions.Analyzer},
		Run: func(pass *analysis.Pass) (any, error) {
			check(pass, kinds)
			return nil, nil
		},
	}
}

func check(pass *analysis.Pass, kinds []names.Kind) {
	p := functions.Of(pass)
	for _, f := range p.Funcs {
		if !f.OnLoop {
			continue
		}
		for _, c := range f.Calls {
			if f.ForBothWorlds(c.Expr.Pos()) {
				continue
			}
			found := p.Blocks(c)
			for _, kind := range kinds {
				if via := found[kind]; via != "" {
					p.Report(pass, c.Expr, sleepFix(pass, f, c), "%s %s; %s", via, does(kind), instead(kind, leaf(via)))
					break
				}
			}
		}
		for _, op := range f.Ops {
			if slices.Contains(kinds, op.Kind) && !f.ForBothWorlds(op.Node.Pos()) {
				p.Report(pass, op.Node, nil, "%s %s; %s", op.What, does(op.Kind), instead(op.Kind, op.What))
			}
		}
	}
}

// leaf returns the last function of a chain of calls.
func leaf(via string) string {
	return via[strings.LastIndexByte(via, ' ')+1:]
}

// does says what happens.
func does(kind names.Kind) string {
	switch kind {
	case names.Nested:
		return "fails on a loop's goroutine, where one loop runs already"
	case names.Outside:
		return "is for other goroutines: on the loop's own it would wait for itself"
	}
	return "blocks the loop"
}

// instead says what to write.
func instead(kind names.Kind, what string) string {
	switch kind {
	case names.Sleep:
		return "use asyncio.Sleep"
	case names.Network:
		switch {
		case strings.HasPrefix(what, "http.") && (strings.Contains(what, "erve") || strings.HasSuffix(what, "Shutdown")):
			return "use an asynchttp.Server"
		case strings.HasPrefix(what, "http."):
			return "use an http.Client whose Transport is an asynchttp.Transport"
		case strings.Contains(what, "Lookup") || strings.Contains(what, "Resolve"):
			return "use Loop.Getaddrinfo, or asyncio.ToThread"
		case strings.Contains(what, "Accept"):
			return "use asyncio.StartServer"
		case strings.HasPrefix(what, "net.UDPConn"):
			return "use Loop.CreateDatagramEndpoint"
		}
		return "use asyncio.OpenConnection, or asyncio.ToThread"
	case names.Process:
		return "use asyncio.CreateSubprocessExec"
	case names.Sync:
		if strings.HasSuffix(what, "Shutdown") {
			return "use asyncio.WrapFuture"
		}
		return "use asyncio.Group for tasks, asyncio.ToThread for goroutines"
	case names.Stdin:
		return "use Loop.ConnectReadPipe, or asyncio.ToThread"
	case names.Nested:
		return "call the coroutine itself, or start it with asyncio.Go"
	case names.Outside:
		if strings.HasPrefix(what, "asyncio.SyncSide") {
			return "use the queue's Async side"
		}
		return "call the function itself, or start it with asyncio.Go"
	case names.Done:
		return "wait with that context, for an asyncio.Event for example"
	case names.Channel:
		return "use an asyncio.Queue or Future, WrapChan or a ThreadQueue"
	}
	return "use asyncio.ToThread"
}
