using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OmniPg.Extractor;

/// <summary>Which object of a schema needs which other one, as pg_dump saw it. Immutable, thread-safe.</summary>
/// <remarks>
/// PostgreSQL records what it can see: not what a function body in a string names, nor what dynamic SQL does. Dependencies between parts of one
/// object (a table and its index) are no edges; objects that the schema does not hold (built-in ones, filtered ones) are no nodes.
/// </remarks>
public sealed class SchemaGraph
{
    private readonly ILookup<SchemaObjectId, SchemaObjectId> _dependents;

    private SchemaGraph(IReadOnlyList<SchemaObjectId> objects, IReadOnlyList<(SchemaObjectId Dependent, SchemaObjectId Needed)> dependencies)
    {
        Objects = objects;
        Dependencies = dependencies;
        _dependents = dependencies.ToLookup(static edge => edge.Needed, static edge => edge.Dependent);
    }

    /// <summary>All objects, sorted by kind and identity.</summary>
    public IReadOnlyList<SchemaObjectId> Objects { get; }

    /// <summary>
    /// All edges, each once: an object that needs another, for example a view, and the one that must exist first, its table. Sorted by the dependent object,
    /// then by the needed one.
    /// </summary>
    public IReadOnlyList<(SchemaObjectId Dependent, SchemaObjectId Needed)> Dependencies { get; }

    /// <summary>Builds the graph of a schema.</summary>
    /// <param name="snapshot">The schema, from a tree, an archive or a database.</param>
    /// <returns>The graph.</returns>
    public static SchemaGraph Of(SchemaSnapshot snapshot)
    {
        ArgumentNullException.ThrowIfNull(snapshot);
        var objects = new Dictionary<string, SchemaObjectId>(StringComparer.Ordinal);
        foreach (var entry in snapshot.Entries)
            objects[entry.Key] = entry.SchemaObject;
        var edges = snapshot.Entries
            .SelectMany(static entry => entry.Dependencies, (entry, key) => (entry.SchemaObject, Needed: objects.GetValueOrDefault(key)))
            .Where(static edge => edge.Needed is not null && edge.Needed != edge.SchemaObject)
            .Select(static edge => (Dependent: edge.SchemaObject, Needed: edge.Needed!));
        return new SchemaGraph(
            Sorted(objects.Values),
            [.. edges.Distinct().OrderBy(static edge => edge.Dependent.ToString(), StringComparer.Ordinal).ThenBy(static edge => edge.Needed.ToString(), StringComparer.Ordinal)]);
    }

    /// <summary>What breaks when an object is dropped or changed: everything that needs it, directly or through others.</summary>
    /// <param name="schemaObject">The object.</param>
    /// <returns>The nearest first, objects of one distance sorted; without the object itself. Empty when nothing needs it, or it is not there.</returns>
    public IReadOnlyList<SchemaObjectId> DependentsOf(SchemaObjectId schemaObject)
    {
        ArgumentNullException.ThrowIfNull(schemaObject);
        var found = new List<SchemaObjectId>();
        var seen = new HashSet<SchemaObjectId> { schemaObject };
        IReadOnlyList<SchemaObjectId> level = [schemaObject];
        while (level.Count > 0)
        {
            level = Sorted(level.SelectMany(item => _dependents[item]).Where(seen.Add));
            found.AddRange(level);
        }
        return found;
    }

    /// <summary>A part of the graph: one object and everything that needs it.</summary>
    /// <param name="schemaObject">The object.</param>
    /// <returns>The part, with the edges between its objects.</returns>
    public SchemaGraph Around(SchemaObjectId schemaObject)
    {
        HashSet<SchemaObjectId> kept = [schemaObject, .. DependentsOf(schemaObject)];
        return new SchemaGraph(
            [.. Objects.Where(kept.Contains)], [.. Dependencies.Where(edge => kept.Contains(edge.Dependent) && kept.Contains(edge.Needed))]);
    }

    /// <summary>Finds objects by name: several kinds may share one.</summary>
    /// <param name="identity"><c>schema.name</c>, unquoted and case-sensitive, or kind and identity: <c>TABLE app.orders</c>.</param>
    /// <returns>The objects; empty when there are none.</returns>
    public IReadOnlyList<SchemaObjectId> Find(string identity) =>
        [.. Objects.Where(item => item.Identity == identity || item.ToString() == identity)];

    /// <summary>The graph as a Mermaid flowchart; arrows point from an object to what it needs.</summary>
    /// <returns>Text, lines ended by LF.</returns>
    public string ToMermaid() => GraphText.Mermaid(this);

    /// <summary>The graph in the DOT language of Graphviz; arrows point from an object to what it needs.</summary>
    /// <returns>Text, lines ended by LF.</returns>
    public string ToDot() => GraphText.Dot(this);

    /// <summary>The graph as JSON: <c>{"objects": [{"kind", "schema", "name"}], "dependencies": [{"dependent", "needed"}]}</c>, the latter by index.</summary>
    /// <returns>Text, indented, lines ended by LF.</returns>
    public string ToJson() => GraphText.Json(this);

    private static IReadOnlyList<SchemaObjectId> Sorted(IEnumerable<SchemaObjectId> objects) =>
        [.. objects.Distinct().OrderBy(static item => item.Kind, StringComparer.Ordinal).ThenBy(static item => item.Identity, StringComparer.Ordinal)];

    /// <summary>Text forms of a graph. Nodes are numbers, so that no name has to be a valid identifier of the format.</summary>
    private static class GraphText
    {
        private static readonly JsonWriterOptions JsonFormat = new() { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

        public static string Mermaid(SchemaGraph graph)
        {
            // Mermaid reads #code; as a character; a quote or a line end would end the label.
            static string Label(SchemaObjectId item) => OneLine(item).Replace("#", "#35;", StringComparison.Ordinal).Replace("\"", "#quot;", StringComparison.Ordinal);
            return Lines("flowchart LR", graph, static (number, item) => $"n{number}[\"{Label(item)}\"]", static (from, to) => $"n{from} --> n{to}", null);
        }

        public static string Dot(SchemaGraph graph)
        {
            static string Label(SchemaObjectId item) => OneLine(item).Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
            return Lines("digraph schema {\n    rankdir=LR;", graph, static (number, item) => $"n{number} [label=\"{Label(item)}\"];", static (from, to) => $"n{from} -> n{to};", "}");
        }

        public static string Json(SchemaGraph graph)
        {
            var numbers = Numbers(graph);
            using var buffer = new MemoryStream();
            using (var json = new Utf8JsonWriter(buffer, JsonFormat))
            {
                json.WriteStartObject();
                json.WriteStartArray("objects");
                foreach (var item in graph.Objects)
                {
                    json.WriteStartObject();
                    json.WriteString("kind", item.Kind);
                    json.WriteString("schema", item.Schema);
                    json.WriteString("name", item.Name);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteStartArray("dependencies");
                foreach (var edge in graph.Dependencies)
                {
                    json.WriteStartObject();
                    json.WriteNumber("dependent", numbers[edge.Dependent]);
                    json.WriteNumber("needed", numbers[edge.Needed]);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
                json.WriteEndObject();
            }
            return Encoding.UTF8.GetString(buffer.ToArray()) + "\n";
        }

        private static string Lines(
            string first, SchemaGraph graph, Func<int, SchemaObjectId, string> node, Func<int, int, string> edge, string? last)
        {
            var numbers = Numbers(graph);
            var text = new StringBuilder(first).Append('\n');
            foreach (var item in graph.Objects)
                text.Append("    ").Append(node(numbers[item], item)).Append('\n');
            foreach (var item in graph.Dependencies)
                text.Append("    ").Append(edge(numbers[item.Dependent], numbers[item.Needed])).Append('\n');
            return last is null ? text.ToString() : text.Append(last).Append('\n').ToString();
        }

        private static Dictionary<SchemaObjectId, int> Numbers(SchemaGraph graph) =>
            graph.Objects.Select(static (item, number) => (item, number)).ToDictionary(static pair => pair.item, static pair => pair.number);

        private static string OneLine(SchemaObjectId item) => item.ToString().ReplaceLineEndings(" ");
    }
}
