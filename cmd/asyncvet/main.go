// Asyncvet checks programs that use asyncio for what the compiler cannot see.
//
//	asyncvet ./...
//	go vet -vettool=$(which asyncvet) ./...
//
// docs/asyncvet.md has the rules and the flags.
package main

import (
	"fmt"
	"os"

	"golang.org/x/tools/go/analysis/multichecker"
)

func main() {
	analyzers, args, err := choose(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	os.Args = append(os.Args[:1], args...)
	multichecker.Main(analyzers...)
}
