using System.Text.Json;

namespace OmniPg.Cli;

/// <summary>A JSON file of what tables are to be: an object of tables, each with an object of properties.</summary>
internal static class DeclarationFile
{
    /// <summary>Reads it; comments and trailing commas are passed over.</summary>
    /// <param name="path">The file.</param>
    /// <param name="nameOf">A table's name as the file has it.</param>
    /// <param name="parse">
    /// What is declared of one, from its properties. Objects and arrays within are flattened as a configuration does it: <c>columns:0</c>; an empty array is an empty text under its name,
    /// a null is one without a text.
    /// </param>
    /// <exception cref="UsageException">The file is none of these; the message says where.</exception>
    public static IReadOnlyList<KeyValuePair<QualifiedName, T>> Read<T>(string path, Func<string, QualifiedName> nameOf, Func<QualifiedName, IEnumerable<KeyValuePair<string, string?>>, T> parse)
    {
        var tables = new List<KeyValuePair<QualifiedName, T>>();
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(path), new JsonDocumentOptions { AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new UsageException($"'{path}': an object of tables is wanted, and this is '{document.RootElement.ValueKind}'.");
            foreach (var table in document.RootElement.EnumerateObject())
            {
                if (table.Value.ValueKind != JsonValueKind.Object)
                    throw new UsageException($"'{path}', '{table.Name}': an object is wanted, and this is '{table.Value.ValueKind}'.");
                try
                {
                    var name = nameOf(table.Name);
                    if (tables.Any(t => t.Key == name))
                        throw new FormatException("It stands there twice.");
                    tables.Add(KeyValuePair.Create(name, parse(name, table.Value.EnumerateObject().SelectMany(p => Flat(p.Name, p.Value)))));
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
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"'{path}' cannot be read: {error.Message}");
        }
        return tables;
    }

    private static IEnumerable<KeyValuePair<string, string?>> Flat(string name, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Object when !value.EnumerateObject().Any() => throw new FormatException($"'{name}' is an empty object, which declares nothing."),
        JsonValueKind.Object => value.EnumerateObject().SelectMany(p => Flat($"{name}:{p.Name}", p.Value)),
        JsonValueKind.Array when value.GetArrayLength() == 0 => [KeyValuePair.Create(name, (string?)"")],
        JsonValueKind.Array => value.EnumerateArray().Index().SelectMany(e => Flat(string.Create(null, $"{name}:{e.Index}"), e.Item)),
        JsonValueKind.Null => [KeyValuePair.Create(name, (string?)null)],
        JsonValueKind.String => [KeyValuePair.Create(name, value.GetString())],
        _ => [KeyValuePair.Create(name, (string?)value.GetRawText())],
    };
}
