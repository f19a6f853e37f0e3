package readers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// siteinfo is the query for the configuration of a wiki, as parameters of its
// api.php.
const siteinfo = "action=query&meta=siteinfo&siprop=general&format=json&formatversion=2"

// parseSiteinfo returns the index in a response of MediaWiki: the highest
// modifiedIndex of the keys that its configuration was read from.
func parseSiteinfo(text []byte) (uint64, error) {
	var reply struct {
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
	if err := json.Unmarshal(text, &reply); err != nil {
		return 0, errors.New("answers, but not as MediaWiki's api.php does")
	}
	index := reply.Query.General.Config.Index
	switch {
	case reply.Error.Info != "":
		return 0, fmt.Errorf("says: %s", printable(reply.Error.Info))
	case len(index) == 0 || string(index) == "null":
		return 0, errors.New("its siteinfo has no wmf-config.wmfEtcdLastModifiedIndex")
	}
	return parseIndex(string(bytes.Trim(index, `"`)))
}
