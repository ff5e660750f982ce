// Command asyncio shows what the library does: demo fetches two hundred pages
// from itself, fetch gets any number of URLs at once, in one thread, crawl
// follows links, and serve is a web server of a directory. And it looks into the event
// loops of other processes, also of those that hang: ps, top, pstree, where, graph,
// cancel, dump, watch, record and web.
package main

import (
	"os"

	"github.com/asyncio-go/asyncio/cmd/asyncio/internal/cli"
)

func main() { os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }
