package frontier

// Groups is how many addresses are known.
func (f *Frontier) Groups() int { return len(f.groups) }
