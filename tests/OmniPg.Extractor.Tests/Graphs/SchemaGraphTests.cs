using System.Text.Json;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Graphs;

public sealed class SchemaGraphTests(PgClusterFixture fixture) : IAsyncLifetime
{
    private SchemaGraph _graph = null!;

    public async ValueTask InitializeAsync()
    {
        await using var database = await fixture.Cluster.CreateDatabaseAsync();
        await database.ExecuteAsync(""""
            CREATE TYPE mood AS ENUM ('ok');
            CREATE TABLE "a ""b""" (id integer PRIMARY KEY, m mood);
            CREATE INDEX ON "a ""b""" (m);
            CREATE TABLE child (id integer REFERENCES "a ""b""");
            CREATE VIEW v AS SELECT id FROM "a ""b""";
            CREATE VIEW w AS SELECT id FROM v;
            CREATE FUNCTION f(mood) RETURNS integer LANGUAGE sql AS 'SELECT 1';
            """");
        _graph = SchemaGraph.Of(await new SchemaExtractor(new ExtractorOptions { Tools = PgTools.Tools }).From(database.DataSource).ToSnapshotAsync());
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public void Objects_that_need_another_one_are_found_over_all_levels_nearest_first()
    {
        var type = _graph.Find("public.mood").Should().ContainSingle().Which;
        var table = _graph.Find("TABLE public.a \"b\"").Should().ContainSingle().Which;

        _graph.DependentsOf(type).Select(item => item.ToString()).Should().Equal(
            "FUNCTION public.f(public.mood)", "TABLE public.a \"b\"", "TABLE public.child", "VIEW public.v", "VIEW public.w");
        _graph.DependentsOf(table).Select(item => item.ToString()).Should().Equal("TABLE public.child", "VIEW public.v", "VIEW public.w");
        _graph.DependentsOf(_graph.Find("public.w")[0]).Should().BeEmpty();
        _graph.Find("public.nothing").Should().BeEmpty();
    }

    [Fact]
    public void Mermaid_text_escapes_names_and_numbers_nodes() =>
        _graph.Around(_graph.Find("public.a \"b\"")[0]).ToMermaid().Should().Be("""
            flowchart LR
                n0["TABLE public.a #quot;b#quot;"]
                n1["TABLE public.child"]
                n2["VIEW public.v"]
                n3["VIEW public.w"]
                n1 --> n0
                n2 --> n0
                n3 --> n2

            """.ReplaceLineEndings("\n"));

    [Fact]
    public void Dot_text_is_one_digraph() =>
        _graph.Around(_graph.Find("public.v")[0]).ToDot().Should().Be(
            "digraph schema {\n    rankdir=LR;\n    n0 [label=\"VIEW public.v\"];\n    n1 [label=\"VIEW public.w\"];\n    n1 -> n0;\n}\n");

    [Fact]
    public void Json_text_names_edges_by_index()
    {
        using var json = JsonDocument.Parse(_graph.ToJson());

        var objects = json.RootElement.GetProperty("objects").EnumerateArray().Select(item => item.GetProperty("name").GetString()).ToList();
        objects.Should().HaveCount(_graph.Objects.Count).And.Contain("a \"b\"");
        json.RootElement.GetProperty("dependencies").EnumerateArray()
            .Select(edge => $"{objects[edge.GetProperty("dependent").GetInt32()]} -> {objects[edge.GetProperty("needed").GetInt32()]}")
            .Should().Contain("w -> v").And.HaveCount(_graph.Dependencies.Count);
    }
}
