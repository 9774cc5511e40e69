/* input: events from the command line and from standard input. What is not good is refused by its line
 * (sender_refuse), and the rest goes on. */
#ifndef TOOLS_INPUT_H
#define TOOLS_INPUT_H

#include "sdk/tools/sender.h"

#include <stdio.h>

/* One event: `key=value` is a string, `key:=json` has JSON's type. */
void input_arguments(sender *s, const char *name, char *const *pairs, int n);

/* One JSON object a line: `name` or `event`; `time` (RFC 3339); `properties`, or else all other members are
 * properties. Arrays and objects become their JSON text; null is no property. */
void input_json(sender *s, FILE *in);

/* The first row names the columns. `time_column`: where explicit event times stand; `time_required`: its
 * absence is an error. Every other column is a string property. */
void input_csv(sender *s, FILE *in, const char *event, const char *time_column, int time_required);

#endif
