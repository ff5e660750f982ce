//go:build !unix

package serve

// openFlags are none: what waits when it is opened has no name in a directory.
const openFlags = 0
