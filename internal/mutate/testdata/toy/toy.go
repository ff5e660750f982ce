// Package toy is code with tests that miss some of what it does.
package toy

// Max is tested well: no test can tell > from >=, though.
func Max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// Count has a label, and a break in a switch.
func Count(words []string, stop string) (n int) {
words:
	for _, w := range words {
		switch w {
		case stop:
			break words
		case "":
			continue
		}
		n++
	}
	return n
}

// Add is called by a test that looks at nothing.
func Add(sum *int, n int) {
	*sum += n
}

// Less is called by nobody.
func Less(a, b string) bool { return a < b }

// Join never ends when its loop does not.
func Join(words []string) string {
	s := ""
	for i := 0; i < len(words); i++ {
		s = concat(s, words[i])
	}
	return s
}

func concat(a, b string) string { return a + b }

// First returns the first word that has a letter. A loop that is left by a break
// would let it run past its end, and so does not compile.
func First(words []string) string {
	i := 0
	for {
		if words[i] == "" {
			i++
			continue
		}
		return words[i]
	}
}
