using System.Reflection;

namespace OmniPg.Guard.Tests;

/// <summary>Type names as C# writes them.</summary>
internal static class TypeName
{
    private static readonly Dictionary<Type, string> Aliases = new()
    {
        [typeof(void)] = "void", [typeof(bool)] = "bool", [typeof(byte)] = "byte", [typeof(short)] = "short", [typeof(ushort)] = "ushort",
        [typeof(int)] = "int", [typeof(uint)] = "uint", [typeof(long)] = "long", [typeof(ulong)] = "ulong", [typeof(char)] = "char",
        [typeof(float)] = "float", [typeof(double)] = "double", [typeof(string)] = "string", [typeof(object)] = "object",
    };

    public static string Full(Type type) => $"{type.Namespace}.{(type.IsNested ? Of(type.DeclaringType!) + "." : "")}{Of(type)}";

    public static string Of(Type type, NullabilityInfo? nullability = null)
    {
        if (type.IsByRef)
            return Of(type.GetElementType()!, nullability);
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return Of(underlying) + "?";
        var mark = nullability is { ReadState: NullabilityState.Nullable } && !type.IsValueType ? "?" : "";
        if (type.IsArray)
            return $"{Of(type.GetElementType()!, nullability?.ElementType)}[]{mark}";
        if (Aliases.TryGetValue(type, out var alias))
            return alias + mark;
        if (!type.IsGenericType)
            return type.Name + mark;
        var arguments = type.GetGenericArguments();
        var inner = nullability?.GenericTypeArguments is { } known && known.Length == arguments.Length ? known : null;
        return $"{type.Name.Split('`')[0]}<{string.Join(", ", arguments.Select((a, i) => Of(a, inner?[i])))}>{mark}";
    }
}
