namespace OmniPg.Extractor;

/// <summary>An object of a schema that has a file: a table with all that belongs to it, one routine, one type.</summary>
/// <param name="Kind">PostgreSQL's word for the kind, as in archives: <c>TABLE</c>, <c>FUNCTION</c>, <c>USER MAPPING</c> …</param>
/// <param name="Schema">Its schema, unquoted; <see langword="null"/> when it lives in none.</param>
/// <param name="Name">Its name, unquoted; for routines with the argument types: <c>total(integer, text)</c>.</param>
public sealed record SchemaObjectId(string Kind, string? Schema, string Name)
{
    /// <summary><c>schema.name</c>, or the bare name outside schemas. Unquoted, so for display and filters rather than for SQL.</summary>
    public string Identity => Schema is null ? Name : $"{Schema}.{Name}";

    /// <summary>Kind and identity.</summary>
    public override string ToString() => $"{Kind} {Identity}";
}
