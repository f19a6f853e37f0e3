package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// siteinfo is the question for a wiki's configuration, as parameters of its api.php.
const siteinfo = "action=query&meta=siteinfo&siprop=general&format=json&formatversion=2"

// parseSiteinfo returns the index in an answer of MediaWiki: the highest modifiedIndex
// of the keys that its configuration was read from.
func parseSiteinfo(text []byte) (uint64, error) {
	var said struct {
		Error struct {
			Info string `json:"info"`
		} `json:"error"`
		Query struct {
			General struct {
				Config struct {
					Index json.RawMessage `json:"wmfEtcdLastModifiedIndex"`
				} `json:"wmf-config"`
			} `json:"general"`
		} `json:"query"`
	}
	if err := json.Unmarshal(text, &said); err != nil {
		return 0, errors.New("answers, but not as MediaWiki's api.php does")
	}
	index := said.Query.General.Config.Index
	switch {
	case said.Error.Info != "":
		return 0, fmt.Errorf("says: %s", printable(said.Error.Info))
	case len(index) == 0 || string(index) == "null":
		return 0, errors.New("its siteinfo has no wmf-config.wmfEtcdLastModifiedIndex")
	}
	return parseIndex(string(bytes.Trim(index, `"`)))
}
