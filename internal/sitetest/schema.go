package sitetest

const schema = `# The types of a site that tests are made with.
discovery:
  path: discovery
  tags: [dnsdisc]
  schema:
    pooled: {type: bool, default: false}
    references: {type: list, default: []}
    ttl: {type: int, default: 300}

geodns:
  path: geodns
  tags: [address]
  schema:
    pooled: {type: "enum:yes|no", default: "yes"}
    weight: {type: int, default: 100}

# One value an object. The JSON schemas refuse the default, null.
setting:
  path: settings/application
  tags: [scope]
  json_schema:
    base_path: json-schema/setting
    rules:
      read_only: {selector: "name=read-only", schema: read-only.schema}
      primary: {selector: "scope=common,name=primary", schema: primary.schema}
      databases: {selector: "name=databases", schema: databases.schema}
  schema:
    val: {type: any, default: null}

db-instance:
  path: db-instances
  tags: [datacenter]
  json_schema:
    base_path: json-schema/database
    rules:
      all: {selector: "name=.*", schema: instance.schema}
  schema:
    host_ip: {default: 0.0.0.0}
    port: {default: 3306}
    sections: {default: {}}
    note: {default: ""}

# The JSON schema refuses the default of primary.
db-section:
  path: db-sections
  tags: [datacenter]
  json_schema:
    base_path: json-schema/database
    rules:
      all: {selector: "name=.*", schema: section.schema}
  schema:
    primary: {default: NONE}
    min_replicas: {default: 0}
    readonly: {default: false}

network:
  path: networks
  tags: [kind]
  schema:
    cidrs: {type: cidr_list, default: []}
    comment: {type: string, default: ""}

feature:
  path: features
  tags: [env]
  free_form: true
  schema:
    enabled: {type: bool, default: false}
    owner: {type: string, default: ""}
`

// jsonSchemas are files below json-schema.
func jsonSchemas() map[string]string {
	const draft = `"$schema": "http://json-schema.org/draft-04/schema#", `
	return map[string]string{
		"setting/read-only.schema": `{` + draft + `"type": "object", "required": ["val"], "additionalProperties": false,
  "properties": {"val": {"oneOf": [{"type": "string"}, {"enum": [false]}]}}}
`,
		"setting/primary.schema": `{` + draft + `"type": "object", "required": ["val"], "additionalProperties": false,
  "properties": {"val": {"type": "string", "enum": ["north", "south"]}}}
`,
		"setting/databases.schema": `{` + draft + `
  "definitions": {
    "loads": {"type": "object", "patternProperties": {"^db[0-9]+(:[0-9]+)?$": {"type": "integer"}}, "additionalProperties": false},
    "section": {"type": "array", "items": [{"$ref": "#/definitions/loads"}, {"$ref": "#/definitions/loads"}], "minItems": 2, "maxItems": 2}
  },
  "type": "object", "required": ["val"], "additionalProperties": false,
  "properties": {"val": {"type": "object", "patternProperties": {"^(DEFAULT|s[0-9]+)$": {"$ref": "#/definitions/section"}}, "additionalProperties": false}}}
`,
		"database/instance.schema": `{` + draft + `
  "definitions": {"section": {"type": "object", "required": ["pooled", "weight"], "additionalProperties": false,
    "properties": {"pooled": {"type": "boolean"}, "weight": {"type": "integer"}, "comment": {"type": "string"}}}},
  "type": "object", "required": ["host_ip", "port", "sections"], "additionalProperties": false,
  "properties": {
    "host_ip": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    "port": {"type": "integer"},
    "sections": {"type": "object", "patternProperties": {"^s[0-9]+$": {"$ref": "#/definitions/section"}}, "additionalProperties": false},
    "note": {"type": "string"}}}
`,
		"database/section.schema": `{` + draft + `"type": "object", "required": ["primary", "min_replicas"], "additionalProperties": false,
  "properties": {"primary": {"type": "string", "pattern": "^db[0-9]+(:[0-9]+)?$"}, "min_replicas": {"type": "integer"}, "readonly": {"type": "boolean"}}}
`,
	}
}
