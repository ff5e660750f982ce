// Asyncvet checks programs that use asyncio for what the compiler cannot see.
//
//	asyncvet ./...
//	go vet -vettool=$(which asyncvet) ./...
//	asyncvet help
package main

import (
	"fmt"
	"os"

	"golang.org/x/tools/go/analysis/multichecker"
)

func main() {
	args := os.Args[1:]
	if len(args) == 0 || args[0] == "help" || isFlag(args[0], "h", "help") {
		if err := help(os.Stdout, args[min(1, len(args)):]); err != nil {
			fail(err)
		}
		return
	}
	rules, rest, err := choose(args)
	if err != nil {
		fail(err)
	}
	os.Args = append(os.Args[:1], rest...)
	multichecker.Main(rules...)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
