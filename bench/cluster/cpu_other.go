//go:build !unix

package main

import "time"

func cpuOfSelf() time.Duration     { return 0 }
func cpuOfChildren() time.Duration { return 0 }
