#!/bin/sh
# What each part of Vigil may do in Kafka, and nothing else: "vigil topics acl"
# prints this for your names. It only adds; what it adds again stays as it is.
#   BOOTSTRAP=kafka:9092 COMMAND_CONFIG=client.properties sh acls.sh
set -eu
: "${BOOTSTRAP:?say a broker, host:port}" "${COMMAND_CONFIG:?say a file with the properties of an administrator}"
grant() { "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" --command-config "$COMMAND_CONFIG" --add --force "$@"; }

# gateway
grant --allow-principal 'User:gateway-1' --allow-principal 'User:gateway-2' --operation Write --topic vigil.requests --topic vigil.enforcements
grant --allow-principal 'User:gateway-1' --allow-principal 'User:gateway-2' --operation Read --topic vigil.verdicts

# analyzer
grant --allow-principal 'User:analyzer-1' --operation Write --topic vigil.requests --topic vigil.facets --topic vigil.assessments --topic vigil.verdicts --topic vigil.control --topic vigil.cuts --topic vigil.dead
grant --allow-principal 'User:analyzer-1' --operation Read --topic vigil.requests --topic vigil.facets --topic vigil.assessments --topic vigil.verdicts --topic vigil.control --topic vigil.enforcements --topic vigil.cuts
grant --allow-principal 'User:analyzer-1' --operation Read --group vigil- --resource-pattern-type prefixed

# operator
grant --allow-principal 'User:operator' --operation Create --operation Describe --operation DescribeConfigs --topic vigil. --resource-pattern-type prefixed
grant --allow-principal 'User:operator' --operation Read --topic vigil.dead
grant --allow-principal 'User:operator' --operation Describe --group vigil- --resource-pattern-type prefixed
grant --allow-principal 'User:operator' --operation Describe --operation DescribeConfigs --cluster

# reader
grant --allow-principal 'User:reader' --operation Read --topic vigil.assessments
grant --allow-principal 'User:reader' --operation Read --group reader- --resource-pattern-type prefixed
