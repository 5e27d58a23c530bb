namespace OmniPg.Extractor;

/// <summary>An entry with its statements, secrets put in.</summary>
internal sealed record ReplayEntry(SchemaEntry Entry, string Sql)
{
    public IReadOnlyList<StatementSplitter.Statement> Statements { get; } = StatementSplitter.Split(Sql);

    /// <summary>Whether the server refuses one of the statements inside a transaction.</summary>
    public bool RunsOutsideTransaction => Statements.Any(static s => RunsOutside(s.Text));

    public bool ChangesDefaults => Statements.Any(static s => s.Text.StartsWith("SET default_table", StringComparison.Ordinal));

    /// <summary>Which entries are replayed, and with which texts.</summary>
    public static async Task<IReadOnlyList<ReplayEntry>> PlanAsync(SchemaSnapshot snapshot, ReplayOptions options, CancellationToken cancellationToken)
    {
        var entries = snapshot.Entries.Where(entry => IsWanted(entry, options)).ToList();
        var plan = new List<ReplayEntry>(entries.Count);
        var unresolved = new List<string>();
        foreach (var entry in entries)
        {
            var sql = entry.IsRedacted ? await ResolveAsync(entry, options.Secrets, cancellationToken).ConfigureAwait(false) : entry.Sql;
            if (sql is null)
                unresolved.Add(entry.Key);
            else
                plan.Add(new ReplayEntry(entry, sql));
        }
        return unresolved.Count == 0 ? plan : throw new ReplayRefusedException("extractor.replay.secrets",
            $"Secrets were taken out of these entries and nobody supplies them: '{string.Join("', '", unresolved)}'.", unresolved,
            "Give ReplayOptions.Secrets a resolver, leave these kinds out, or extract with secrets.");
    }

    private static bool IsWanted(SchemaEntry entry, ReplayOptions options)
    {
        if (options.NoPrivileges && entry.Desc is "ACL" or "DEFAULT ACL" or "ACL LANGUAGE")
            return false;
        // Comments and grants of large objects go with them: since 17 pg_dump counts the objects themselves as data.
        if (options.SchemaOnly && (entry.SchemaObject.Kind == SchemaObjectId.LargeObjectKind || entry.HasData || entry.Section == TocSection.Data || entry.Desc.EndsWith(" DATA", StringComparison.Ordinal)))
            return false;
        var kind = entry.SchemaObject.Kinds;
        return kind == ObjectKinds.None || options.Kinds.HasFlag(kind);
    }

    private static async ValueTask<string?> ResolveAsync(SchemaEntry entry, ISecretResolver? resolver, CancellationToken cancellationToken)
    {
        if (resolver is null)
            return null;
        var values = new List<string>();
        foreach (var option in SecretRedactor.MaskedOptions(entry.Sql))
        {
            if (await resolver.ResolveAsync(entry, option, cancellationToken).ConfigureAwait(false) is not { } value)
                return null;
            values.Add(value);
        }
        return SecretRedactor.Restore(entry.Sql, values);
    }

    private static bool RunsOutside(string statement)
    {
        var reader = new SqlTokenReader(statement);
        var (first, second) = (reader.Next(), reader.Next());
        if (first.IsKeyword("ALTER"))
            return second.IsKeyword("SYSTEM");
        if (first.IsKeyword("VACUUM"))
            return true;
        if (first.IsKeyword("CREATE") && second.IsKeyword("SUBSCRIPTION"))
            return CreatesSlot(statement);
        if (first.IsKeyword("CREATE") && (second.IsKeyword("DATABASE") || second.IsKeyword("TABLESPACE")))
            return true;
        return first.IsKeyword("CREATE") && (second.IsKeyword("INDEX") || second.IsKeyword("UNIQUE")) && IsConcurrent(second, ref reader);
    }

    private static bool IsConcurrent(SqlToken second, ref SqlTokenReader reader) =>
        (second.IsKeyword("UNIQUE") ? reader.SkipTo("INDEX") : true) && reader.Next().IsKeyword("CONCURRENTLY");

    // pg_dump writes connect = false, with which no slot is created; an edited file may say otherwise.
    private static bool CreatesSlot(string statement)
    {
        var reader = new SqlTokenReader(statement);
        while (reader.SkipTo("WITH"))
        {
            for (var token = reader.Next(); token.Kind != SqlTokenKind.End; token = reader.Next())
            {
                var isOff = token.IsKeyword("connect") || token.IsKeyword("create_slot");
                if (isOff && reader.Next().IsSymbol('=') && reader.Next() is var value && (value.IsKeyword("false") || value.Text is "'false'" or "'off'"))
                    return false;
            }
        }
        return true;
    }
}
