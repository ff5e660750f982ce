// Command loop says hello from the first callback of a loop. See bench/hello.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/asyncio-go/asyncio"
)

func main() {
	err := asyncio.Run(context.Background(), func(context.Context) error {
		_, err := fmt.Println("hello")
		return err
	})
	if err != nil {
		os.Exit(1)
	}
}
