// Package plain imports nothing, so go vet is quick with it.
package plain

//asyncvet:ignore nosuch there is no such rule
var V int
