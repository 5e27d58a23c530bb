namespace OmniPg.Extractor;

/// <summary>One edge of a <see cref="SchemaGraph"/>.</summary>
/// <param name="Dependent">The object that needs the other, for example a view.</param>
/// <param name="Needed">The object that must exist first, for example its table.</param>
public sealed record SchemaDependency(SchemaObjectId Dependent, SchemaObjectId Needed);
