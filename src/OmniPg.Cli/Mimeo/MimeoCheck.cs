using OmniPg.Mimeo;

namespace OmniPg.Cli;

/// <summary>Rights that are missing, told as the statements that give them; by the convention of monitoring plugins, and without any change.</summary>
internal static class MimeoCheck
{
    /// <summary>Checks tables that are managed; none named means all.</summary>
    public static async Task<int> RunAsync(CliSession session, IReadOnlyList<QualifiedName> tables, CancellationToken cancellationToken)
    {
        try
        {
            var mimeo = MimeoCommands.Open(session);
            var specs = tables.Count == 0 ? await mimeo.ListAsync(cancellationToken) : [.. await FindAsync()];
            var (found, worst) = (new List<AccessResult>(), ExitCodes.Done);
            foreach (var spec in specs)
            {
                try
                {
                    found.Add(await mimeo.CheckAccessAsync(spec, cancellationToken));
                }
                // A source that is away keeps nobody from the others.
                catch (Exception error) when (error is MimeoException or ArgumentException or FormatException)
                {
                    session.Error.WriteLine($"omnipg: {spec.Target}: {ErrorReport.OneLine(error)}");
                    worst = ExitCodes.Failed;
                }
            }
            return Math.Max(worst, Write(session, found, worst == ExitCodes.Done ? $"{JobText.Counted(specs.Count, "table")}, and no right is missing" : "No right is missing of the tables that could be looked at"));

            async Task<IReadOnlyList<ReplicationSpec>> FindAsync()
            {
                var known = new List<ReplicationSpec>();
                foreach (var table in tables)
                    known.Add(await mimeo.FindAsync(table, cancellationToken) ?? throw new UsageException($"'{table}' is not managed; `create … --check` looks at a table that is not set up yet."));
                return known;
            }
        }
        catch (Exception error) when (error is not (ArgumentException or FormatException or UsageException))
        {
            // A check that could not be made is neither good nor bad news.
            ErrorReport.Write(session, error, cancellationToken);
            return ExitCodes.Unknown;
        }
    }

    /// <summary>Writes what is missing.</summary>
    public static int Write(CliSession session, IReadOnlyList<AccessResult> results, string nothing)
    {
        // Tables share rights: each statement once for each server.
        var missing = results.SelectMany(r => r.SourceStatements.Select(s => (Server: r.From, Statement: s)).Concat(r.DestinationStatements.Select(s => (Server: "", Statement: s)))).Distinct().ToArray();
        if (session.Json)
        {
            session.WriteJson(json =>
            {
                json.WriteStartArray();
                foreach (var (server, statement) in missing)
                {
                    json.WriteStartObject();
                    json.WriteString("source", server.Length == 0 ? null : server);
                    json.WriteString("statement", statement);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
        }
        else if (missing.Length == 0)
        {
            session.Out.WriteLine(nothing);
        }
        else
        {
            // Comments, so that the text is a script for each server.
            foreach (var server in missing.GroupBy(m => m.Server))
                session.Out.WriteLine(string.Join('\n', server.Select(m => m.Statement).Prepend(server.Key.Length == 0 ? "-- at the destination" : $"-- at source {server.Key}")));
        }
        return missing.Length == 0 ? ExitCodes.Done : ExitCodes.Failed;
    }
}
