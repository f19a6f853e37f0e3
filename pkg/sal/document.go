package sal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	txt "github.com/conftool/confctl/internal/text" // tests have a function text
)

// merged merges the records of all parts into one, with the id of the change.
func (d Delivery) merged() Record {
	if len(d.Records) == 0 {
		return Record{Time: d.Time, Event: Event{ID: d.ID}}
	}
	r := d.Records[0]
	r.Event.ID = d.ID
	c := &r.Change
	for _, more := range d.Records[1:] {
		c.Objects = slices.Concat(c.Objects, more.Change.Objects)
		c.Findings = slices.Concat(c.Findings, more.Change.Findings)
		for _, name := range more.Change.Overrides {
			if !slices.Contains(c.Overrides, name) {
				c.Overrides = append(slices.Clone(c.Overrides), name)
			}
		}
	}
	return r
}

// document returns the delivery as one line of JSON: the journal record with the
// field names of the Elastic Common Schema, and the message. Characters that
// package text hides are escaped, because people may read the line as it is.
func (d Delivery) document() ([]byte, error) {
	var doc any = struct {
		Record
		Message string `json:"message"`
	}{d.merged(), d.Message}
	if len(d.Records) == 0 {
		doc = struct {
			Time    time.Time         `json:"@timestamp"`
			Event   map[string]string `json:"event"`
			Message string            `json:"message"`
		}{d.Time, map[string]string{"id": d.ID}, d.Message}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(doc); err != nil {
		return nil, fmt.Errorf("writing the message as JSON: %w", err)
	}
	return []byte(txt.JSON(b.String())), nil
}
