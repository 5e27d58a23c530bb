using System.Text.Json;
using OmniPg.Shared;

namespace OmniPg.Wal.Cli;

/// <summary>Prints one JSON object as the only thing on standard output.</summary>
internal static class JsonDocumentWriter
{
    public static void Write(ProgramContext context, Action<Utf8JsonWriter> members) => context.Output.WriteLine(Text(members));

    public static string Text(Action<Utf8JsonWriter> members) => IndentedJson.Text(json =>
    {
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
    });
}
