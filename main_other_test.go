//go:build !unix

package asyncio_test

func catchIgnored() {}
