// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
#include "appliance/store/statements.h"

// As read_session and read_line take them.
#define SESSION_COLUMNS "SELECT id, client_id, note, peer, agent, granted_ms, revoked_ms, used_minute"
#define LINE_COLUMNS                                                                                         \
    "SELECT line.id, line.client_id, line.session_id, line.space, space.tenant_id,"                          \
    " space.generation, line.alphabet, charset.characters, line.digits, line.first_serial, line.size,"       \
    " line.payment_id, line.payment_ident, line.seed, line.status, line.requested_ms, line.started_ms, "     \
    "line.ended_ms,"                                                                                         \
    " line.finished_ms, line.deleted_ms, line.checksum, line.file_bytes, line.file_hash"
// CROSS JOIN: the line is looked up first, whatever the planner thinks.
#define LINE_JOINS                                                                                           \
    " CROSS JOIN space ON space.number = line.space CROSS JOIN charset ON charset.number = line.charset"

#define SUBJECT_COLUMNS                                                                                      \
    "SELECT subject.number, subject.id, subject.tenant_id, subject.account, subject.value_index,"            \
    " subject.type, subject.generation, subject.sealed"
#define CUSTOMER_COLUMNS                                                                                     \
    SUBJECT_COLUMNS ", customer_token.id, customer_token.customer_id, customer_token.token_id,"              \
                    " customer_token.metadata, customer_token.created_by, customer_token.deleted_by,"        \
                    " customer_token.created_ms, customer_token.updated_ms, customer_token.deleted_ms"
#define CUSTOMER_JOIN " CROSS JOIN subject ON subject.number = customer_token.subject"
// Of one customer, below a number; the type, if there is one, is looked at row by row.
#define CUSTOMER_PAGE                                                                                        \
    " WHERE customer_token.tenant_id = ? AND customer_token.account = ? AND customer_token.customer_id = ?"  \
    " AND customer_token.number < ? AND (? IS NULL OR subject.type = ?)"

const char *const store_sql[SQL_STATEMENTS] = {
    [SQL_APPLICATION_ID] = "PRAGMA application_id",
    [SQL_USER_VERSION] = "PRAGMA user_version",
    [SQL_OBJECT_COUNT] = "SELECT count(*) FROM sqlite_schema",
    [SQL_QUICK_CHECK] = "PRAGMA quick_check(1)",
    [SQL_JOURNAL_WAL] = "PRAGMA journal_mode = WAL",

    // IMMEDIATE: another process is found out here, not in the middle.
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_MARK] = "SAVEPOINT verb",
    [SQL_BACK_TO_MARK] = "ROLLBACK TO verb",
    [SQL_DROP_MARK] = "RELEASE verb",

    [SQL_KEY_ADD] =
        "INSERT INTO tenant_key (tenant_id, use, generation, state, check_value) VALUES (?, ?, ?, ?, ?)",
    [SQL_KEY_RETIRE_CURRENT] = "UPDATE tenant_key SET state = 'retired'"
                               " WHERE tenant_id = ? AND use = 'fpe' AND state = 'current'",
    [SQL_KEY_MOVE] = "UPDATE tenant_key SET state = ?"
                     " WHERE tenant_id = ? AND use = 'fpe' AND generation = ? AND state = ?",
    [SQL_SESSION_CREATE] =
        "INSERT INTO session (id, client_id, note, peer, agent, granted_ms, revoked_ms, used_minute)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_SESSION_TOUCH] = "UPDATE session SET used_minute = max(used_minute, ?) WHERE id = ?",
    [SQL_SESSION_REVOKE] =
        "UPDATE session SET revoked_ms = ? WHERE id = ? AND client_id = ? AND revoked_ms = 0",
    [SQL_ALPHABET_CREATE] = "INSERT INTO alphabet (client_id, name, characters) VALUES (?, ?, ?)",
    [SQL_ALPHABET_DELETE] = "DELETE FROM alphabet WHERE client_id = ? AND name = ?",
    [SQL_CHARSET_CREATE] = "INSERT INTO charset (characters) VALUES (?) RETURNING number",
    [SQL_SPACE_CREATE] = "INSERT INTO space (tenant_id, space, generation, size, issued)"
                         " VALUES (?, ?, ?, ?, ?) RETURNING number",
    [SQL_SPACE_TAKE] = "UPDATE space SET issued = issued + ? WHERE number = ? RETURNING issued",
    // Neither sum can overflow: the smaller of two distances is added.
    [SQL_SPACE_ADVANCE_ALL] = "UPDATE space SET issued = issued + min(?, size - issued)",
    [SQL_OPENING_ADVANCE] =
        "UPDATE opening SET skipped = skipped + min(?, 9223372036854775807 - skipped) WHERE one = 1",
    [SQL_LINE_CREATE] =
        "INSERT INTO line (id, client_id, session_id, space, alphabet, charset, digits, first_serial, size,"
        " payment_id, payment_ident, seed, requested_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_LINE_DELETE] = "UPDATE line SET deleted_ms = ? WHERE id = ? AND client_id = ? AND deleted_ms = 0",
    [SQL_LINE_STARTED] = "UPDATE line SET status = 1, started_ms = ? WHERE id = ? AND status < 2",
    [SQL_LINE_FINISHED] = "UPDATE line SET status = 3, checksum = ?, file_bytes = ?, file_hash = ?,"
                          " ended_ms = ?, finished_ms = ? WHERE id = ? AND status < 2",

    [SQL_KEY_GET] = "SELECT check_value, state FROM tenant_key"
                    " WHERE tenant_id = ? AND use = ? AND generation = ?",
    [SQL_KEY_COUNT_CURRENT] = "SELECT count(*) FROM tenant_key"
                              " WHERE tenant_id = ? AND use = 'fpe' AND state = 'current'",
    [SQL_KEY_LIST] = "SELECT tenant_id, generation, check_value, use, state FROM tenant_key"
                     " ORDER BY tenant_id, use, generation",
    [SQL_SPACE_COUNT_UNDER] = "SELECT count(*) FROM space WHERE tenant_id = ? AND generation = ?",
    [SQL_SESSION_GET] = SESSION_COLUMNS " FROM session WHERE id = ?",
    [SQL_SESSION_LIST] = SESSION_COLUMNS " FROM session INDEXED BY session_live"
                                         " WHERE client_id = ? AND revoked_ms = 0 ORDER BY number",
    [SQL_ALPHABET_GET] = "SELECT name, characters FROM alphabet WHERE client_id = ? AND name = ?",
    [SQL_ALPHABET_LIST] = "SELECT name, characters FROM alphabet WHERE client_id = ? ORDER BY name",
    [SQL_CHARSET_GET] = "SELECT number FROM charset WHERE characters = ?",
    [SQL_SPACE_GET] = "SELECT number, generation, issued, size FROM space WHERE tenant_id = ? AND space = ?",
    [SQL_OPENING_GET] = "SELECT skipped FROM opening WHERE one = 1",
    [SQL_LINE_ID_EXISTS] = "SELECT 1 FROM line WHERE id = ?",
    [SQL_LINE_IDENT_EXISTS] = "SELECT 1 FROM line WHERE client_id = ? AND payment_ident = ?",
    [SQL_LINE_STATUS] = "SELECT status FROM line WHERE id = ? AND deleted_ms = 0",
    [SQL_LINE_GET] = LINE_COLUMNS " FROM line" LINE_JOINS " WHERE line.id = ? AND line.deleted_ms = 0",
    [SQL_LINE_OF_SERIAL] =
        LINE_COLUMNS " FROM line" LINE_JOINS " WHERE line.space = ? AND line.first_serial <= ?"
                     " ORDER BY line.first_serial DESC LIMIT 1",
    [SQL_LINE_LIST] = LINE_COLUMNS " FROM line INDEXED BY line_of_session" LINE_JOINS
                                   " WHERE line.session_id = ? AND line.deleted_ms = 0 ORDER BY line.number",
    [SQL_LINE_NEXT_UNFINISHED] =
        LINE_COLUMNS " FROM line INDEXED BY line_unfinished" LINE_JOINS
                     " WHERE line.status < 2 AND line.deleted_ms = 0 AND line.size < ?"
                     " ORDER BY line.size, line.number LIMIT 1 OFFSET ?",

    [SQL_SUBJECT_ADD] = "INSERT INTO subject (id, tenant_id, account, value_index, type, generation, sealed)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING number",
    [SQL_SUBJECT_RESEAL] =
        "UPDATE subject SET generation = ?, sealed = ? WHERE number = ? AND generation = ?",
    [SQL_CUSTOMER_ADD] =
        "INSERT INTO customer_token (id, subject, tenant_id, account, customer_id, token_id, metadata,"
        " created_by, created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_CUSTOMER_DELETE] = "UPDATE customer_token SET deleted_by = ?, deleted_ms = ?, updated_ms = ?"
                            " WHERE tenant_id = ? AND account = ? AND token_id = ? AND customer_id = ?"
                            " AND deleted_ms = 0 RETURNING number",
    [SQL_EVENT_ADD] = "INSERT INTO token_event (subject, event, status, metadata, created_by, created_ms,"
                      " expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_EVENT_DELETE] = "UPDATE token_event SET deleted_ms = ?"
                         " WHERE subject = ? AND deleted_ms = 0 AND (? IS NULL OR event = ?)",
    [SQL_EVENT_FORGET] =
        "DELETE FROM token_event WHERE number IN (SELECT number FROM (SELECT number,"
        " row_number() OVER newest AS place, sum(length(CAST(metadata AS BLOB))) OVER newest AS bytes"
        " FROM token_event WHERE subject = ? AND deleted_ms > 0"
        " WINDOW newest AS (ORDER BY deleted_ms DESC, number DESC)) WHERE place > ? OR bytes > ?)",

    [SQL_REQUEST_ADD] = "INSERT INTO token_request (id, client_id, tenant_id, kind, options, payload,"
                        " redirect_url, callback_state, bank_id, created_s, expires_s)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
    [SQL_REQUEST_DECIDE] = "UPDATE token_request SET state = ?, decided_s = ?, decided_by = ?,"
                           " decided_client_id = ?, decided_source = ?, reason = ?"
                           " WHERE id = ? AND state = 0 AND expires_s > ?",

    [SQL_SUBJECT_FIND] =
        SUBJECT_COLUMNS " FROM subject WHERE tenant_id = ? AND account = ? AND value_index = ?",
    [SQL_SUBJECT_LIST_UNDER] = SUBJECT_COLUMNS " FROM subject WHERE tenant_id = ? AND generation = ?"
                                               " AND number > ? ORDER BY number LIMIT ?",
    [SQL_SUBJECT_COUNT_UNDER] = "SELECT count(*) FROM subject WHERE tenant_id = ? AND generation = ?",
    [SQL_SUBJECT_NUMBER] = "SELECT number FROM subject WHERE id = ? AND tenant_id = ? AND account = ?",
    [SQL_SUBJECT_WITH_EVENTS] =
        SUBJECT_COLUMNS " FROM subject INDEXED BY subject_with_events"
                        " WHERE tenant_id = ? AND account = ? AND has_events = 1 AND number < ?"
                        " AND EXISTS (SELECT 1 FROM token_event WHERE subject = subject.number"
                        " AND (deleted_ms = 0 OR (? > 0 AND deleted_ms >= ?)) AND created_ms >= ?)"
                        " ORDER BY number DESC LIMIT ?",
    [SQL_CUSTOMER_VALUE_EXISTS] = "SELECT 1 FROM customer_token WHERE subject = ? AND deleted_ms = 0",
    [SQL_CUSTOMER_NAME_EXISTS] = "SELECT 1 FROM customer_token"
                                 " WHERE tenant_id = ? AND account = ? AND token_id = ? AND deleted_ms = 0",
    [SQL_CUSTOMER_NUMBER] = "SELECT number FROM customer_token"
                            " WHERE id = ? AND tenant_id = ? AND account = ? AND customer_id = ?",
    [SQL_CUSTOMER_LIST_LIVE] =
        CUSTOMER_COLUMNS " FROM customer_token INDEXED BY customer_token_live" CUSTOMER_JOIN CUSTOMER_PAGE
                         " AND customer_token.deleted_ms = 0 ORDER BY customer_token.number DESC LIMIT ?",
    [SQL_CUSTOMER_LIST_ALL] =
        CUSTOMER_COLUMNS " FROM customer_token INDEXED BY customer_token_all" CUSTOMER_JOIN CUSTOMER_PAGE
                         " ORDER BY customer_token.number DESC LIMIT ?",
    [SQL_CUSTOMER_COUNT_LIVE] =
        "SELECT count(*) FROM customer_token INDEXED BY customer_token_live" CUSTOMER_JOIN CUSTOMER_PAGE
        " AND customer_token.deleted_ms = 0",
    [SQL_CUSTOMER_COUNT_ALL] =
        "SELECT count(*) FROM customer_token INDEXED BY customer_token_all" CUSTOMER_JOIN CUSTOMER_PAGE,
    [SQL_CUSTOMER_FIND] = CUSTOMER_COLUMNS
    " FROM customer_token INDEXED BY customer_token_name" CUSTOMER_JOIN
    " WHERE customer_token.tenant_id = ? AND customer_token.account = ? AND customer_token.token_id = ?"
    " AND customer_token.deleted_ms = 0",
    [SQL_CUSTOMER_OF_SUBJECT] =
        "SELECT customer_id, token_id FROM customer_token WHERE subject = ? AND deleted_ms = 0",
    [SQL_EVENT_SIZE] = "SELECT count(*), coalesce(sum(length(CAST(metadata AS BLOB))), 0) FROM token_event"
                       " WHERE subject = ? AND deleted_ms = 0",
    [SQL_EVENT_LIST] = "SELECT event, status, metadata, created_by, created_ms, expires_ms, deleted_ms"
                       " FROM token_event WHERE subject = ?"
                       " AND (deleted_ms = 0 OR (? > 0 AND deleted_ms >= ?)) ORDER BY number",
    [SQL_REQUEST_GET] = "SELECT number, id, client_id, tenant_id, kind, options, payload, redirect_url,"
                        " callback_state, bank_id, created_s, expires_s, state, decided_s, decided_by,"
                        " decided_client_id, decided_source, reason FROM token_request WHERE id = ?",
};
