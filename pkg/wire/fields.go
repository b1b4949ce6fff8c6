package wire

import (
	"encoding/json"
	"reflect"
	"strings"
)

// encode writes the non-zero fields of a struct as a JSON object. Package json alone would
// first build encoders for the types of all fields and of everything below them: that is most
// of the cost of a message, in each of many vassals.
func encode(v any) ([]byte, error) {
	given, all := map[string]any{}, reflect.ValueOf(v)
	for i := range all.NumField() {
		if field := all.Field(i); !field.IsZero() {
			given[fieldName(all.Type().Field(i))] = field.Interface()
		}
	}
	return json.Marshal(given)
}

// decode reads the output of encode. It ignores unknown fields, because one side may be older
// than the other.
func decode(text []byte, into any) error {
	given, all := map[string]json.RawMessage{}, reflect.ValueOf(into).Elem()
	err := json.Unmarshal(text, &given)
	for i := 0; i < all.NumField() && err == nil; i++ {
		if part, ok := given[fieldName(all.Type().Field(i))]; ok {
			err = json.Unmarshal(part, all.Field(i).Addr().Interface())
		}
	}
	return err
}

func fieldName(f reflect.StructField) string {
	if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
		return name
	}
	return f.Name
}
