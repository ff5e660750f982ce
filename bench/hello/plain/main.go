// Command plain says hello. See bench/hello.
package main

import "fmt"

func main() { fmt.Println("hello") }
