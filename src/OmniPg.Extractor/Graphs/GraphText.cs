using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace OmniPg.Extractor;

/// <summary>Text forms of a graph. Nodes are numbers, so that no name has to be a valid identifier of the format.</summary>
internal static class GraphText
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
