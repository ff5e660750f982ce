package conformance

import (
	"github.com/asyncio-go/asyncio"
)

// controlOps are those that log nothing themselves.
func controlOps() map[string]opDef {
	return map[string]opDef{
		"return":       def(value).controls(func(c *call) (*leave, error) { return &leave{c.args[0]}, nil }),
		"raise":        def(text).controls(func(c *call) (*leave, error) { return nil, &UserError{Name: c.text(0)} }),
		"raise_cancel": def().controls(func(*call) (*leave, error) { return nil, &asyncio.CancelledError{} }),
		"reraise":      def().controls(reraise),
		"try":          def(body, handlers, body).controls(try),
	}
}

func reraise(c *call) (*leave, error) {
	if n := len(c.frame.handling); n > 0 {
		return nil, c.frame.handling[n-1]
	}
	return nil, nil
}

// try runs a body, the handler for what that raised, and at last its finally,
// which has the last word when it raises or leaves.
func try(c *call) (*leave, error) {
	left, err := c.enter(c.ctx, "t", 0)
	if err != nil {
		left, err = c.handle(err)
	}
	instead, finalErr := c.enter(c.ctx, "f", 2)
	if instead != nil || finalErr != nil {
		return instead, finalErr
	}
	return left, err
}

func (c *call) handle(err error) (*leave, error) {
	by := c.args[1].(map[string][]Op)
	key := handlerFor(err)
	if _, ok := by[key]; !ok {
		key = "any"
	}
	list, ok := by[key]
	if !ok {
		return nil, err
	}
	f := c.frame
	f.handling = append(f.handling, err)
	defer func() { f.handling = f.handling[:len(f.handling)-1] }()
	return c.body(c.ctx, f, c.inner(key[:1]), list)
}

func handlerFor(err error) string {
	switch {
	case asyncio.IsCancelled(err):
		return "cancelled"
	case class(err) == "Timeout":
		return "timeout"
	}
	return "error"
}
