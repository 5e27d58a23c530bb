using System.CommandLine;
using System.Text.Json;
using OmniPg.Partman;

namespace OmniPg.Cli;

internal static class ApplyCommand
{
    private static readonly Argument<string> File = new("FILE") { Description = "JSON: an object of tables with what describes their sets" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "apply", "Makes sets what a file says they are: creates missing ones, changes others, leaves the rest alone", "omnipg partman apply sets.json --plan", RunAsync, File, PartmanCommands.Plan);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var sets = Read(session.NotEmpty(File));
        var partman = PartmanCommands.Open(session);
        if (session.Get(PartmanCommands.Plan))
        {
            if (session.Json)
                throw new UsageException("--plan prints SQL, so --json does not go with it.");
            session.Out.Write((await partman.PlanSetsAsync(sets, cancellationToken)).ToSqlScript());
            return ExitCodes.Done;
        }
        var done = await partman.ApplySetsAsync(sets, cancellationToken);
        if (session.Json)
            session.WriteJson(json => Write(json, done));
        else
            session.WriteTable(["Set", "Done", "Changed"], done.Select(d => (string?[])[d.Table.ToString(), d.Outcome.ToString().ToLowerInvariant(), string.Join(", ", d.Changed)]));
        return ExitCodes.Done;
    }

    /// <summary>Sets by their tables, from <c>{"app.events": {"control": "created_at", "interval": "1 day"}}</c>.</summary>
    /// <exception cref="UsageException">The file is none of these; the message says where.</exception>
    private static Dictionary<QualifiedName, PartitionSetOptions> Read(string path)
    {
        var sets = new Dictionary<QualifiedName, PartitionSetOptions>();
        try
        {
            using var document = JsonDocument.Parse(System.IO.File.ReadAllBytes(path), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new UsageException($"'{path}': an object of tables is wanted, and this is '{document.RootElement.ValueKind}'.");
            foreach (var table in document.RootElement.EnumerateObject())
            {
                if (table.Value.ValueKind != JsonValueKind.Object)
                    throw new UsageException($"'{path}', '{table.Name}': an object is wanted, and this is '{table.Value.ValueKind}'.");
                try
                {
                    if (!sets.TryAdd(PartmanCommands.NameOf(table.Name), PartitionSetOptions.Parse(Named("", table.Value))))
                        throw new FormatException("It stands there twice.");
                }
                catch (Exception error) when (error is FormatException or ArgumentException)
                {
                    throw new UsageException($"'{path}', '{table.Name}': {error.Message}");
                }
            }
        }
        catch (JsonException error)
        {
            throw new UsageException($"'{path}' is no JSON: {error.Message}");
        }
        catch (IOException error)
        {
            throw new UsageException($"'{path}' cannot be read: {error.Message}");
        }
        return sets;
    }

    // As a section of a configuration names what lies below it.
    private static IEnumerable<KeyValuePair<string, string?>> Named(string above, JsonElement set) => set.EnumerateObject().SelectMany(p =>
        p.Value.ValueKind == JsonValueKind.Object ? Named($"{above}{p.Name}:", p.Value) : [KeyValuePair.Create(above + p.Name, TextOf(p.Value))]);

    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Null => null,
        JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False => value.GetRawText(),
        var kind => throw new FormatException($"a text, a number or a truth value is wanted, and this is '{kind}'."),
    };

    private static void Write(Utf8JsonWriter json, IReadOnlyList<DeclaredSet> done)
    {
        json.WriteStartArray();
        foreach (var set in done)
        {
            json.WriteStartObject();
            json.WriteString("table", set.Table.ToString());
            json.WriteString("outcome", set.Outcome.ToString().ToLowerInvariant());
            json.WriteStartArray("changed");
            foreach (var name in set.Changed)
                json.WriteStringValue(name);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }
}
