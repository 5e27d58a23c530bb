using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>Rows between the largest cursor value of the destination and a boundary near the end of the source; an updater puts them in place of rows with their key.</summary>
/// <remarks>The new place is written in the transaction of the rows. Both bounds are exclusive, and both are constants that were read in the snapshot of the copy.</remarks>
internal sealed class CursorMethod
{
    private readonly TableRun _run;
    private readonly ColumnInfo _column;
    private readonly string _type;
    private readonly string _config;

    public CursorMethod(TableRun run)
    {
        _run = run;
        var cursor = run.Spec.Cursor!;
        _column = run.Columns.FirstOrDefault(c => c.Name.Value == cursor.Column) ?? throw (run.Relation.Columns.Any(c => c.Name.Value == cursor.Column)
            ? new ColumnDriftException(run.Spec.Target, [$"the cursor column '{cursor.Column}' is not copied"], "Add it to the list of columns.")
            : new ColumnDriftException(run.Spec.Target, [$"the source has no column '{cursor.Column}', which is to be the cursor"], "Correct the name of the cursor column."));
        RequireOrder(run.Spec.Target, _column, isTime: cursor.TimeBoundary is not null);
        // Times without a zone are compared without one; what is stored for them is their moment in the zone of the destination's role.
        _type = cursor.TimeBoundary is null ? "bigint" : _column.Type.StartsWith("timestamp", StringComparison.Ordinal) && _column.Type.EndsWith("with time zone", StringComparison.Ordinal) ? "timestamptz" : "timestamp";
        _config = run.Store.Of("refresh_config_" + SpecTable.TypeOf(run.Spec));
    }

    // What the server compares with the bounds of a refresh.
    private static void RequireOrder(QualifiedName target, ColumnInfo column, bool isTime)
    {
        var type = column.Under ?? column.Type;
        var fits = isTime ? type == "date" || type.StartsWith("timestamp", StringComparison.Ordinal)
            : type is "smallint" or "integer" or "bigint" or "oid" or "real" or "double precision" || type.StartsWith("numeric", StringComparison.Ordinal);
        if (!fits || type.EndsWith("[]", StringComparison.Ordinal))
        {
            throw new ColumnDriftException(target, [$"the cursor column '{column.Name.Value}' is {column.Type} at the source, which is no {(isTime ? "time" : "number")}"],
                isTime ? "Name a column of type timestamp, with or without time zone, or date." : "Name a column of whole numbers.");
        }
    }

    /// <summary>Predicate of the first rows of a new, empty destination.</summary>
    public async Task<string> FirstRowsAsync() => await UpperBoundAsync().ConfigureAwait(false) is { } upper ? Below(upper) : "false";

    /// <summary>Predicate of the rows that no refresh has brought yet.</summary>
    public async Task<string> BeyondPlaceAsync() => $"{_column.Name.Quoted} > {Constant(await LowerBoundAsync().ConfigureAwait(false))}";

    /// <summary>Predicate of the rows between two values, both exclusive; null for no bound.</summary>
    public string Within(string? start, string? end) => start is null && end is null ? "true"
        : string.Join(" AND ", new[] { start is null ? null : $"{_column.Name.Quoted} > {Constant(start)}", end is null ? null : Below(end) }.Where(p => p is not null));

    /// <summary>Stores the largest value of the destination; for an empty one the place before all rows, or the time of the set-up where no rows were wanted.</summary>
    /// <param name="filled">Whether the first rows were asked for: those within the boundary are still to come then.</param>
    public Task StoreFirstAsync(bool filled) => StoreAsync(_type == "bigint" || filled ? Floor : "pg_catalog.now()");

    /// <summary>One refresh.</summary>
    /// <param name="limit">Most rows; null for all.</param>
    /// <param name="repull">Rows to fetch anew; null for none.</param>
    /// <param name="nulls">What is done about rows without a value.</param>
    /// <param name="now">The time, for tables that pause when clocks change.</param>
    public async Task<RefreshStatus> RefreshAsync(int? limit, Repull? repull, NullCursor nulls, DateTimeOffset now)
    {
        if (_type == "timestamp" && await _run.Destination.ScalarAsync(Paused(_config), Name(), PgParameter.Instant(now)).ConfigureAwait(false) is true)
            return RefreshStatus.PausedForDst;
        var table = await RelationInfo.FindAsync(_run.Destination, _run.Spec.Target).ConfigureAwait(false) ?? throw new DestinationMissingException(_run.Spec.Target);
        _run.RequireFit(table);
        await LookForNullsAsync(nulls).ConfigureAwait(false);
        var upper = await UpperBoundAsync().ConfigureAwait(false);
        if (repull is not null)
            return await RepullAsync(table, repull, upper).ConfigureAwait(false);
        if (upper is null)
            return RefreshStatus.NothingNew;

        var (window, reached) = await WindowAsync(upper, limit).ConfigureAwait(false);
        var rows = _run.Spec.Kind == ReplicationKind.Inserter
            ? await _run.CopyAsync(_run.Query(window), table.Name, freeze: false).ConfigureAwait(false)
            : await KeyedRows.ReplaceAsync(_run, _run.Query(window), table).ConfigureAwait(false);
        await StoreAsync("last_value").ConfigureAwait(false);
        return reached ? RefreshStatus.LimitReached : rows == 0 ? RefreshStatus.NothingNew : RefreshStatus.Refreshed;
    }

    /// <summary>Steps of <see cref="RefreshAsync"/>.</summary>
    public async Task PlanAsync(PlanSteps steps, RelationInfo table, int? limit, Repull? repull, NullCursor nulls, DateTimeOffset now)
    {
        if (_type == "timestamp" && await _run.Destination.ScalarAsync(Paused(_config), Name(), PgParameter.Instant(now)).ConfigureAwait(false) is true)
        {
            steps.TellHere("skip", "Clocks change at the destination in these hours.", "The table is not refreshed then");
            return;
        }
        _run.RequireFit(table);
        await LookForNullsAsync(nulls).ConfigureAwait(false);
        var upper = await UpperBoundAsync().ConfigureAwait(false);
        if (repull is not null)
        {
            var (empty, query) = Repulled(table, repull, upper);
            if (IsWhole(repull))
                steps.Alone("empty", "All rows come again.", empty, table.Name);
            else
            {
                await Followers.RefuseAsync(_run, table).ConfigureAwait(false);
                steps.Here("empty", "The rows of the window come again.", empty);
            }

            if (query is not null)
                await PlanCopyAsync(query, inPlace: IsWhole(repull)).ConfigureAwait(false);
        }
        else if (upper is null)
        {
            steps.TellThere("skip", "The source has no rows.", "Nothing is read");
            return;
        }
        else
        {
            await PlanCopyAsync(_run.Query((await WindowAsync(upper, limit).ConfigureAwait(false)).Window), inPlace: false).ConfigureAwait(false);
        }
        steps.TellHere("place", "The next refresh begins behind these rows.", $"last_value in {_config}: the largest {_column.Name.Quoted} of {table.Name.Quoted}");

        async Task PlanCopyAsync(string query, bool inPlace)
        {
            if (inPlace || _run.Spec.Kind == ReplicationKind.Inserter)
                steps.Copy(_run, query, table.Name, freeze: false);
            else
                await KeyedRows.PlanAsync(_run, steps, table, query, null).ConfigureAwait(false);
        }
    }

    // The rows of a refresh, and whether the limit leaves some of them to the next one.
    private async Task<(string Window, bool IsCut)> WindowAsync(string upper, int? limit)
    {
        var last = await LowerBoundAsync().ConfigureAwait(false);
        var window = $"{_column.Name.Quoted} > {Constant(last)} AND {Below(upper)}";
        if (limit is not { } most || await CutAsync(window, most).ConfigureAwait(false) is not { } cut)
            return (window, false);
        _run.Warnings.Add(string.Create(CultureInfo.InvariantCulture, $"The limit of {most} rows was reached; the rest waits for the next refresh."));
        return ($"{_column.Name.Quoted} > {Constant(last)} AND {Below(cut)}", true);
    }

    /// <summary>Moves the place back to the largest value that is here, behind a repair.</summary>
    /// <remarks>
    /// The source may be a standby that lags behind the one whose rows were copied: what was taken away or became older comes again. A time without a zone is looked up
    /// in the rows anyway (<see cref="LowerBoundAsync"/>).
    /// </remarks>
    public Task GoBackAsync()
    {
        var largest = $"(SELECT max({_column.Name.Quoted}) FROM {_run.Spec.Target.Quoted})";
        var back = _type == "timestamp" ? $"CASE WHEN {largest} IS NULL THEN {Floor} ELSE last_value END" : $"least(last_value, coalesce({largest}{Stored}, {Floor}))";
        return _run.Destination.Unlimited.ExecuteAsync($"UPDATE {_config} SET last_value = {back} WHERE dest_table = $1", Name());
    }

    // Never beyond the boundary, whatever end was given: rows that are not committed yet would lie below the new place.
    private async Task<RefreshStatus> RepullAsync(RelationInfo table, Repull repull, string? upper)
    {
        var (empty, query) = Repulled(table, repull, upper);
        await _run.Destination.Unlimited.ExecuteAsync(empty).ConfigureAwait(false);
        if (!IsWhole(repull))
            await Followers.RefuseAsync(_run, table).ConfigureAwait(false);
        if (query is not null)
        {
            // A row that is new in the window may stand outside of it at the destination.
            _ = IsWhole(repull) || _run.Spec.Kind == ReplicationKind.Inserter
                ? await _run.CopyAsync(query, table.Name, freeze: false).ConfigureAwait(false)
                : await KeyedRows.ReplaceAsync(_run, query, table).ConfigureAwait(false);
        }
        // A place above rows that are not there any more would hide those that are numbered anew.
        await StoreAsync(repull.Start is { } first ? $"least(last_value, {Constant(first)}{Stored})" : Floor).ConfigureAwait(false);
        return RefreshStatus.Refreshed;
    }

    private static bool IsWhole(Repull repull) => repull.Start is null && repull.End is null;

    // What empties the window, and the rows that come into it; null for a source without rows.
    private (string Empty, string? Query) Repulled(RelationInfo table, Repull repull, string? upper)
    {
        var above = repull.Start is { } start ? $"{_column.Name.Quoted} > {Constant(start)}" : null;
        var end = repull.End is { } given ? Below(given) : null;
        var bound = upper is null ? null : Below(upper);
        return (IsWhole(repull) ? $"TRUNCATE {table.Name.Quoted}" : $"DELETE FROM {table.Name.Quoted} WHERE {And(above, end, end is null ? null : bound)}", bound is null ? null : _run.Query(And(above, end, bound)));

        static string And(params string?[] parts) => string.Join(" AND ", parts.Where(p => p is not null));
    }

    // The value to stay below when there are at least so many rows: the rows of the last value of the batch wait, for others may have it, too.
    private async Task<string?> CutAsync(string window, int limit)
    {
        var column = _column.Name.Quoted;
        var batch = string.Create(CultureInfo.InvariantCulture, $"{_run.Query(window, column)} ORDER BY 1 LIMIT {limit}");
        var (count, least, largest) = await AskAsync(source => source.RowAsync($"SELECT count(*), min({column})::{_type}::text, max({column})::{_type}::text FROM ({batch}) b",
            row => (row.GetInt64(0), row.Text(1), row.Text(2)))).ConfigureAwait(false);
        if (count < limit)
            return null;
        return least == largest ? throw new BatchStalledException(_run.Spec.Target, limit, largest!) : largest;
    }

    /// <summary>The value that rows have to be below; null for a source without rows.</summary>
    private async Task<string?> UpperBoundAsync()
    {
        if (_run.Spec.Cursor!.TimeBoundary is not { } interval)
        {
            return await AskAsync(source => source.ScalarAsync(string.Create(CultureInfo.InvariantCulture,
                $"SELECT (max({_column.Name.Quoted})::bigint - {_run.Spec.Cursor.SerialBoundary})::text FROM {_run.Spec.Source.Quoted}"))).ConfigureAwait(false) as string;
        }
        // Where the source's clock goes back within the next hours, it shows some times twice: what it shows from the change on is the bound until then, or rows written
        // the second time would be below the place already.
        var sql =
            $"""
            SELECT least(b.at::{_type}, (SELECT min(later::{_type}) FROM pg_catalog.generate_series(pg_catalog.date_trunc('hour', b.at), b.at + interval '4 hours', interval '15 minutes') later
                WHERE later > b.at))::text
            FROM (SELECT least(least($1, $3) - {PgLiteral.Quote(interval.ToString())}::interval, $2 - {PgLiteral.Quote(Rounded)}::interval)) b (at)
            """;
        var open = _run.Spec.Cursor.Mode == BoundaryMode.OldestTransaction ? _run.Source.Open : null;
        if (open?.Unknown is { } why)
            _run.Warnings.Add($"The boundary alone counts, for {why}.");
        return await AskAsync(source => source.ScalarAsync(sql, PgParameter.Instant(_run.Source.Now), PgParameter.Instant(open?.Oldest), PgParameter.Instant(open?.Prepared))).ConfigureAwait(false) as string;
    }

    // How far a moment may lie behind what the column keeps of it.
    private string Rounded => _column.BaseType == "date" ? "1 day"
        : _column.Type != _column.BaseType || !_column.BaseType.StartsWith("timestamp", StringComparison.Ordinal) ? "1 second" : "0";

    /// <summary>The value that rows have to be above.</summary>
    /// <remarks>
    /// What is stored for a time without a zone is a moment, as the extension has it, and comes back as another time when the zone was changed or the time falls
    /// into the hour that spring leaves out. So the rows of the destination tell their largest value themselves, and the stored one counts where there are none.
    /// </remarks>
    private async Task<string> LowerBoundAsync()
    {
        var stored = $"(SELECT last_value::{_type} FROM {_config} WHERE dest_table = $1)";
        var largest = $"(SELECT max({_column.Name.Quoted})::{_type} FROM {_run.Spec.Target.Quoted})";
        return (string)(await _run.Destination.Unlimited.ScalarAsync($"SELECT {(_type == "timestamp" ? $"coalesce({largest}, {stored})" : stored)}::text", Name()).ConfigureAwait(false))!;
    }

    // As the extension meant it, which reads months for minutes. Rows lose nothing without it (UpperBoundAsync), so tables that are made here do not ask for it.
    private static string Paused(string config) =>
        $"""
        SELECT dst_active AND to_char(date_trunc('day', $2::timestamptz), 'TZ') <> to_char(date_trunc('day', $2::timestamptz) + interval '1 day', 'TZ')
            AND to_char($2::timestamptz, 'HH24MI')::int >= dst_start AND to_char($2::timestamptz, 'HH24MI')::int < dst_end
        FROM {config} WHERE dest_table = $1
        """;

    private async Task LookForNullsAsync(NullCursor nulls)
    {
        if (nulls == NullCursor.Ignore || await AskAsync(source => source.ScalarAsync($"SELECT EXISTS ({_run.Query($"{_column.Name.Quoted} IS NULL", "1")})")).ConfigureAwait(false) is not true)
            return;
        if (nulls == NullCursor.Fail)
            throw new NullCursorException(_run.Spec.Source, _run.Spec.Target, _column.Name.Value);
        _run.Warnings.Add($"Rows without a value in '{_column.Name.Value}' are never copied.");
    }

    private Task<T> AskAsync<T>(Func<PgSession, Task<T>> ask) => _run.Source.AskAsync(_run.Spec.Source, source => ask(source.Unlimited));

    private Task<int> StoreAsync(string whenEmpty) => _run.Destination.Unlimited.ExecuteAsync(
        $"UPDATE {_config} SET last_value = coalesce((SELECT max({_column.Name.Quoted}) FROM {_run.Spec.Target.Quoted}){Stored}, {whenEmpty}) WHERE dest_table = $1", Name());

    private Npgsql.NpgsqlParameter Name() => PgParameter.Text(SpecTable.Text(_run.Spec.Target));

    // Cast of a value to the type of the stored place.
    private string Stored => _type == "bigint" ? "" : "::timestamptz";

    private string Floor => _type == "bigint" ? "0" : "'-infinity'";

    private string Below(string value) => $"{_column.Name.Quoted} < {Constant(value)}";

    private string Constant(string value) => $"{PgLiteral.Quote(value)}::{_type}";
}
