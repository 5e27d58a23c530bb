namespace OmniPg.Mimeo;

/// <summary>Steps of a plan in their order, at the source and here.</summary>
internal sealed class PlanSteps(string source)
{
    private const string Destination = SourceRegistry.Destination;

    private readonly List<SqlPlanStep> _steps = [];

    /// <summary>Parts that are copied at once; 0 where nothing is.</summary>
    public int Streams { get; private set; }

    public SqlPlan ToPlan() => new(_steps);

    public void AddRange(IEnumerable<SqlPlanStep> steps) => _steps.AddRange(steps);

    /// <summary>A statement at the destination.</summary>
    public void Here(string kind, string why, string sql) => _steps.Add(new SqlPlanStep { Server = Destination, Kind = kind, Reason = why, Sql = sql });

    /// <summary>Statements at the destination that are of one kind.</summary>
    public void AllHere(string kind, string why, IEnumerable<string> statements)
    {
        foreach (var sql in statements)
            Here(kind, why, sql);
    }

    /// <summary>A statement for which readers of a relation of the destination have to wait.</summary>
    public void Alone(string kind, string why, string sql, QualifiedName relation, bool destroys = false) =>
        _steps.Add(new SqlPlanStep { Server = Destination, Kind = kind, Reason = why, Sql = sql, DestroysData = destroys, Locks = [new SqlPlanLock(relation, PgLockMode.AccessExclusive)] });

    /// <summary>A statement at the source.</summary>
    public void There(string kind, string why, string sql) => _steps.Add(new SqlPlanStep { Server = source, Kind = kind, Reason = why, Sql = sql });

    /// <summary>One for which everybody who is at a relation of the source has to wait.</summary>
    public void AloneThere(string kind, string why, string sql, QualifiedName relation) =>
        _steps.Add(new SqlPlanStep { Server = source, Kind = kind, Reason = why, Sql = sql, Locks = [new SqlPlanLock(relation, PgLockMode.AccessExclusive)] });

    /// <summary>What is no statement, or none whose text is known before, at the source.</summary>
    public void TellThere(string kind, string why, string what) => _steps.Add(new SqlPlanStep { Server = source, Kind = kind, Reason = why, Description = what });

    /// <summary>The same at the destination.</summary>
    public void TellHere(string kind, string why, string what) => _steps.Add(new SqlPlanStep { Server = Destination, Kind = kind, Reason = why, Description = what });

    /// <summary>Both ends of the copy of a query.</summary>
    /// <param name="run">The table.</param>
    /// <param name="query">The rows.</param>
    /// <param name="into">The relation that gets them.</param>
    /// <param name="freeze">Whether the transaction has created or truncated it.</param>
    /// <param name="columns">Columns of the relation that the query fills, quoted; null for those that are copied.</param>
    public void Copy(TableRun run, string query, QualifiedName into, bool freeze, string? columns = null) => Copy(run, [query], 1, into, freeze, columns);

    /// <summary>The same of a table in parts.</summary>
    public void Copy(TableRun run, IEnumerable<string> queries, int streams, QualifiedName into, bool freeze, string? columns = null)
    {
        Streams = streams;
        var parts = queries.ToArray();
        foreach (var (number, query) in parts.Index())
        {
            var (read, write) = run.CopyStatements(query, into, freeze, columns);
            var part = parts.Length == 1 ? "" : string.Create(System.Globalization.CultureInfo.InvariantCulture, $", part {number + 1}");
            TellThere("copy", $"The rows leave the source{part}.", read);
            TellHere("copy", $"They arrive{part}.", write);
        }
    }
}
