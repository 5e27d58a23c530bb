using System.CommandLine;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary><c>omnipg schema diff A [B]</c>.</summary>
internal static class SchemaDiffCommand
{
    private static readonly Argument<string> A = new("A") { Description = "A tree, an archive file or a connection" };
    private static readonly Argument<string?> B = new("B")
    {
        Description = "A tree, an archive file or a connection; default: --connection", Arity = ArgumentArity.ZeroOrOne,
    };
    private static readonly Option<bool> Summary = new("--summary") { Description = "Objects only, without their text" };
    private static readonly Option<bool> IgnoreOwners = new("--ignore-owners") { Description = "Leave owners aside" };
    private static readonly Option<bool> IgnoreAcl = new("--ignore-acl") { Description = "Leave grants aside" };
    private static readonly Option<bool> IgnoreComments = new("--ignore-comments") { Description = "Leave comments aside" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "diff", "Compares two schemas; exit code 1 when they differ", "omnipg schema diff schema \"Host=db;Database=shop\" --json",
        RunAsync, [A, B, Summary, IgnoreOwners, IgnoreAcl, IgnoreComments, .. ExtractorSettings.All]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var options = new DiffOptions
        {
            IgnoreOwners = session.Get(IgnoreOwners), IgnoreAcl = session.Get(IgnoreAcl), IgnoreComments = session.Get(IgnoreComments),
        };
        var (from, to) = await ReadAsync(session, cancellationToken);
        var diff = SchemaDiff.Between(from, to, options);
        if (session.Json)
            WriteJson(session, diff);
        else
            WriteText(session, diff);
        return diff.IsEmpty ? ExitCodes.Done : ExitCodes.Attention;
    }

    // A database or an archive is read with the options of the tree on the other side, so that like is compared with like.
    private static async Task<(SchemaSnapshot From, SchemaSnapshot To)> ReadAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (a, b) = (session.Get(A), session.Find(B));
        var extractor = ExtractorSettings.Extractor(session);
        var from = SchemaSide.IsTree(a) ? await extractor.OpenTree(a).ReadAsync(cancellationToken) : null;
        var to = b is not null && SchemaSide.IsTree(b) ? await extractor.OpenTree(b).ReadAsync(cancellationToken) : null;
        from ??= await ReadAsync(SchemaSide.Extraction(session, extractor, a), to, cancellationToken);
        to ??= await ReadAsync(b is null ? SchemaSide.FromServer(session, extractor, null) : SchemaSide.Extraction(session, extractor, b), from, cancellationToken);
        return (from, to);
    }

    private static Task<SchemaSnapshot> ReadAsync(Extraction side, SchemaSnapshot? other, CancellationToken cancellationToken) =>
        side.ToSnapshotAsync(other is null ? null : side.OptionsOf(other), cancellationToken);

    private static void WriteText(CliSession session, SchemaDiff diff)
    {
        if (diff.EnvironmentMismatch is { } mismatch)
            session.Error.WriteLine("warning: " + mismatch);
        foreach (var note in diff.Notes)
            session.Error.WriteLine("note: " + note);
        session.WriteTable(["", "Kind", "Object", "What"], diff.Objects.Select(static o => new[] { Word(o.Status), o.SchemaObject.Kind, o.SchemaObject.Identity, string.Join(',', Words(o.Classes)) }));
        if (!session.Get(Summary))
            session.Out.Write(diff.ToUnifiedText());
        session.Error.WriteLine(diff.ToString());
    }

    private static void WriteJson(CliSession session, SchemaDiff diff) => session.WriteJson(json =>
    {
        json.WriteStartArray();
        foreach (var item in diff.Objects)
        {
            json.WriteStartObject();
            json.WriteString("status", Word(item.Status));
            json.WriteString("kind", item.SchemaObject.Kind);
            json.WriteString("identity", item.SchemaObject.Identity);
            json.WriteStartArray("classes");
            foreach (var word in Words(item.Classes))
                json.WriteStringValue(word);
            json.WriteEndArray();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    });

    private static string Word(DiffStatus status) => status switch
    {
        DiffStatus.Added => "added",
        DiffStatus.Removed => "removed",
        _ => "changed",
    };

    private static IEnumerable<string> Words(DiffClasses classes) => Enum.GetValues<DiffClasses>()
        .Where(value => value != DiffClasses.None && classes.HasFlag(value)).Select(static value => value.ToString().ToLowerInvariant());
}
