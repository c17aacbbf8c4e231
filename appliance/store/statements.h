// SPDX-FileCopyrightText: the Symbolon authors
// SPDX-License-Identifier: Apache-2.0
//
// Every statement the store prepares, by number. Parameters are bound, columns read in their order.
#pragma once

enum statement {
    // about the file
    SQL_APPLICATION_ID,
    SQL_USER_VERSION,
    SQL_OBJECT_COUNT,
    SQL_QUICK_CHECK,
    SQL_JOURNAL_WAL,
    // about the transaction
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_MARK,
    SQL_BACK_TO_MARK,
    SQL_DROP_MARK,
    // verbs that write
    SQL_KEY_ADD,
    SQL_KEY_RETIRE_CURRENT,
    SQL_KEY_MOVE,
    SQL_SESSION_CREATE,
    SQL_SESSION_TOUCH,
    SQL_SESSION_REVOKE,
    SQL_ALPHABET_CREATE,
    SQL_ALPHABET_DELETE,
    SQL_CHARSET_CREATE,
    SQL_SPACE_CREATE,
    SQL_SPACE_TAKE,
    SQL_SPACE_ADVANCE_ALL,
    SQL_OPENING_ADVANCE,
    SQL_LINE_CREATE,
    SQL_LINE_DELETE,
    SQL_LINE_STARTED,
    SQL_LINE_FINISHED,
    // verbs that read, from here to the end
    SQL_FIRST_READ,
    SQL_KEY_GET = SQL_FIRST_READ,
    SQL_KEY_COUNT_CURRENT,
    SQL_KEY_LIST,
    SQL_SPACE_COUNT_UNDER,
    SQL_SESSION_GET,
    SQL_SESSION_LIST,
    SQL_ALPHABET_GET,
    SQL_ALPHABET_LIST,
    SQL_CHARSET_GET,
    SQL_SPACE_GET,
    SQL_OPENING_GET,
    SQL_LINE_ID_EXISTS,
    SQL_LINE_IDENT_EXISTS,
    SQL_LINE_STATUS,
    SQL_LINE_GET,
    SQL_LINE_OF_SERIAL,
    SQL_LINE_LIST,
    SQL_LINE_NEXT_UNFINISHED,
    SQL_STATEMENTS,
};

extern const char *const store_sql[SQL_STATEMENTS];
