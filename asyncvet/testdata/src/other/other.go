// Package other is of another module: of what it blocks on, not all is believed.
package other

import (
	"net"
	"os"
	"os/exec"
	"sync"
	"time"
)

func Nap() { time.Sleep(time.Second) }

func Program() error { return exec.Command("true").Run() }

func Dial() { net.Dial("tcp", "localhost:80") }

func Receive(c chan int) int { return <-c }

func Wait(wg *sync.WaitGroup) { wg.Wait() }

func Read() []byte {
	data, _ := os.ReadFile("x")
	return data
}

func Each(names []string, fn func(string)) {
	for _, name := range names {
		fn(name)
	}
}
