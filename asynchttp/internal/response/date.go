package response

import (
	"net/http"
	"time"
)

// date is the value of a Date field, made once a second.
type date struct {
	clock  func() time.Time
	second int64
	text   string
}

func (d *date) now() string {
	now := d.clock()
	if s := now.Unix(); s != d.second {
		d.second = s
		d.text = now.UTC().Format(http.TimeFormat)
	}
	return d.text
}
