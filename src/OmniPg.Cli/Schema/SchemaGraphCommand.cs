using System.CommandLine;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary><c>omnipg schema graph A</c>.</summary>
internal static class SchemaGraphCommand
{
    private static readonly Argument<string> A = new("A") { Description = "A tree, an archive file or a connection" };
    private static readonly Option<string?> Of = new("--of") { Description = "Only this object and what needs it: schema.name, or with its kind before it", HelpName = "OBJECT" };
    private static readonly Option<string> Format = new("--format") { Description = "mermaid, dot or json", DefaultValueFactory = static _ => "mermaid" };

    static SchemaGraphCommand() => Format.AcceptOnlyFromAmong("mermaid", "dot", "json");

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "graph", "Prints which object needs which other one, or what breaks when one is changed",
        "omnipg schema graph schema --of app.orders --format dot", RunAsync, [A, Of, Format, .. ExtractorSettings.All]);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var side = session.Get(A);
        var extractor = ExtractorSettings.Extractor(session);
        var snapshot = SchemaSide.IsTree(side)
            ? await extractor.OpenTree(side).ReadAsync(cancellationToken)
            : await SchemaSide.Extraction(session, extractor, side).ToSnapshotAsync(cancellationToken: cancellationToken);
        var graph = SchemaGraph.Of(snapshot);
        if (session.Get(Of) is { } name)
            graph = graph.Around(One(graph, name));
        session.Out.Write(session.Json ? graph.ToJson() : session.Get(Format) switch
        {
            "dot" => graph.ToDot(),
            "json" => graph.ToJson(),
            _ => graph.ToMermaid(),
        });
        return ExitCodes.Done;
    }

    private static SchemaObjectId One(SchemaGraph graph, string name) => graph.Find(name) switch
    {
        [var one] => one,
        [] => throw new UsageException($"The schema holds no object '{name}'."),
        var several => throw new UsageException($"'{name}' may be {string.Join(" or ", several.Select(static item => $"'{item}'"))}."),
    };
}
