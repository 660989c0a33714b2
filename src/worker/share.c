/*-------------------------------------------------------------------------
 *
 * share.c
 *	  The messages between a drop worker and its assistants: a share of a batch goes
 *	  there, and what became of it comes back.
 *
 * Both are of the same library, so a message is structs one behind the other, each
 * aligned.
 *
 * Copyright (c) 2026, mvstore contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "worker/drop.h"
#include "worker/share.h"

/* Before the requests of a share. */
typedef struct ShareHead
{
	MvsShareTerms terms;
	int			count;
} ShareHead;

/* Before each of them. */
typedef struct ItemHead
{
	int64		tries;
} ItemHead;

/* Before the outcomes of a share; behind these are the news, and then the errors. */
typedef struct AnswerHead
{
	int			done;			/* requests with an outcome, from the first on */
	int			news_count;
} AnswerHead;

typedef struct ItemOutcome
{
	MvsOutcome	outcome;
	int64		wait_for;
} ItemOutcome;

static void append(StringInfo message, const void *data, Size size);

/* Append something, so that the next can be read where it lies. */
static void
append(StringInfo message, const void *data, Size size)
{
	static const char zeros[MAXIMUM_ALIGNOF] = {0};

	appendBinaryStringInfo(message, data, (int) size);
	appendBinaryStringInfo(message, zeros, (int) (MAXALIGN(size) - size));
}

void
mvs_share_write(StringInfo message, const MvsShareTerms *terms, MvsPending **items, int count)
{
	ShareHead	head = {.terms = *terms, .count = count};

	append(message, &head, sizeof(head));
	for (int i = 0; i < count; i++)
	{
		ItemHead	item = {.tries = items[i]->tries};

		append(message, &item, sizeof(item));
		append(message, items[i]->request, items[i]->request->size);
	}
}

MvsPending **
mvs_share_read(const char *message, MvsShareTerms *terms, int *count)
{
	const ShareHead *head = (const ShareHead *) message;
	const char *place = message + MAXALIGN(sizeof(ShareHead));
	MvsPending *space = palloc0(head->count * sizeof(MvsPending));
	MvsPending **items = palloc(head->count * sizeof(MvsPending *));

	for (int i = 0; i < head->count; i++)
	{
		items[i] = &space[i];
		items[i]->tries = (int) ((const ItemHead *) place)->tries;
		place += MAXALIGN(sizeof(ItemHead));
		items[i]->request = (MvsRequest *) unconstify(char *, place);
		place += MAXALIGN(items[i]->request->size);
	}
	*terms = head->terms;
	*count = head->count;
	return items;
}

void
mvs_share_write_answer(StringInfo message, MvsPending **items, int done, const List *news)
{
	AnswerHead	head = {.done = done, .news_count = list_length(news)};
	ListCell   *cell;

	append(message, &head, sizeof(head));
	for (int i = 0; i < done; i++)
	{
		ItemOutcome item = {.outcome = items[i]->outcome, .wait_for = items[i]->wait_for};

		append(message, &item, sizeof(item));
	}
	foreach(cell, news)
		append(message, lfirst(cell), sizeof(MvsDropNews));
	for (int i = 0; i < done; i++)
		if (items[i]->outcome == MVS_OUTCOME_ERROR)
			append(message, items[i]->error, MVS_ERROR_LENGTH);
}

List *
mvs_share_read_answer(const char *message, MvsPending **items, int *done)
{
	const AnswerHead *head = (const AnswerHead *) message;
	const char *place = message + MAXALIGN(sizeof(AnswerHead));
	List	   *news = NIL;

	for (int i = 0; i < head->done; i++)
	{
		const ItemOutcome *item = (const ItemOutcome *) place;

		items[i]->outcome = item->outcome;
		items[i]->wait_for = item->wait_for;
		place += MAXALIGN(sizeof(ItemOutcome));
	}
	for (int i = 0; i < head->news_count; i++)
	{
		MvsDropNews *copy = palloc(sizeof(MvsDropNews));

		memcpy(copy, place, sizeof(MvsDropNews));
		news = lappend(news, copy);
		place += MAXALIGN(sizeof(MvsDropNews));
	}
	for (int i = 0; i < head->done; i++)
	{
		if (items[i]->outcome != MVS_OUTCOME_ERROR)
			continue;
		mvs_pending_set_error(items[i], place);
		place += MAXALIGN(MVS_ERROR_LENGTH);
	}
	*done = head->done;
	return news;
}
