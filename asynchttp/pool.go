package asynchttp

// pool keeps the connections of a Transport.
type pool struct{}
