package response

import (
	"net/http"
	"time"
)

// date is the value of a Date field, made once a second.
type date struct {
	second int64
	text   string
}

func (d *date) now() string {
	now := time.Now()
	if s := now.Unix(); s != d.second {
		d.second = s
		d.text = now.UTC().Format(http.TimeFormat)
	}
	return d.text
}
