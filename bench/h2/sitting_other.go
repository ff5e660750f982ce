//go:build !unix

package main

import "errors"

func sit(int, int, string) error { return errors.New("this needs a Unix system") }
